// Package weights reads and writes safetensors files: named tensors with a few
// words of metadata (https://github.com/huggingface/safetensors). It knows nothing
// about networks, and serves their weights and training checkpoints alike.
//
// A header's word is never taken for anything: no memory is asked for before the
// file's size has confirmed it. Writing is atomic, and the same tensors give the
// same bytes.
package weights
