package sample

import (
	"context"
	"fmt"
)

// Batch is the samples of one step.
type Batch struct {
	First   int // number of the first sample
	Samples []*Sample
}

// Prefetcher draws batches ahead of their use.
type Prefetcher struct {
	queue  chan chan result
	cancel context.CancelFunc
}

type result struct {
	batch *Batch
	err   error
}

// Prefetch starts drawing batches of size samples from the sample with number
// first, at most ahead batches before they are asked for. What Next returns does
// not depend on ahead or on timing. Stop it with Close.
func Prefetch(src Source, first, size, ahead int) *Prefetcher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Prefetcher{queue: make(chan chan result, max(ahead-1, 0)), cancel: cancel}
	go func() {
		for n := first; ; n += size {
			c := make(chan result, 1)
			select {
			case p.queue <- c:
			case <-ctx.Done():
				return
			}
			go func() {
				b, err := DrawBatch(src, n, size)
				c <- result{b, err}
			}()
		}
	}()
	return p
}

// Next is the next batch. Once ctx has ended it gives ctx's error, even if a
// batch is ready.
func (p *Prefetcher) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c := <-p.queue:
		select {
		case r := <-c:
			return r.batch, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops the drawing. Next must not be called afterwards.
func (p *Prefetcher) Close() { p.cancel() }

// DrawBatch draws size samples one after another.
func DrawBatch(src Source, first, size int) (b *Batch, err error) {
	b = &Batch{First: first}
	for i := first; i < first+size; i++ {
		s, err := src.Draw(i)
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", i, err)
		}
		b.Samples = append(b.Samples, s)
	}
	return b, nil
}
