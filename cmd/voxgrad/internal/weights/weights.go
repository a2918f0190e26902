// Package weights is the command weights.
package weights

import (
	"fmt"
	"maps"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device/cpu"
	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/report"
	"voxgrad/train/infer"
	builtin "voxgrad/weights"
)

// New returns the command.
func New() *cobra.Command {
	return cli.Group("weights", "Show, check and convert weights files",
		newWeightsList(), newWeightsShow(), newWeightsChoose(), newWeightsCheck(), newWeightsStrip(), newWeightsFromAuthors(), newWeightsToAuthors())
}

func newWeightsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the networks that come with the program",
		Args:  cli.ExactArgs(0, ""),
		RunE: func(*cobra.Command, []string) error {
			t := &report.Table{Columns: []report.Column{{Name: "--model"}, {Name: "for"}, {Name: "network"}, {Name: "trained on"}, {Name: "scores"}, {Name: "size"}, {Name: "SHA-256"}},
				Note: "what they were scored on and where they fail: docs/models.md; research software, not a medical device"}
			for _, name := range builtin.Names() {
				members, err := builtin.Members(name)
				if err != nil {
					return err
				}
				card := builtin.Cards[name]
				for k, n := range members {
					c, err := models.ConfigOf(n.File)
					if err != nil {
						return err
					}
					if ref := builtin.Prefix + name; k == 0 {
						t.Add(ref, card.For, fmt.Sprintf("%s, width %d", c.Kind, c.Width), card.TrainedOn, card.Scores, text.Bytes(int64(n.Bytes)), n.SHA256)
					} else {
						t.Add("", fmt.Sprintf("  and %s", n.File.Path), fmt.Sprintf("%s, width %d", c.Kind, c.Width), "", "", text.Bytes(int64(n.Bytes)), n.SHA256)
					}
				}
			}
			if len(t.Rows) == 0 {
				t.Note = "this program was built without any: weights/files of its source is empty (docs/models.md)"
			}
			return t.WriteText(cli.Out)
		},
	}
}

func newWeightsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show FILE",
		Short:   "List a file's metadata and tensors",
		Example: "  voxgrad weights show checkpoint_best.safetensors",
		Args:    cli.ExactArgs(1, "one file"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := weights.ReadHeader(args[0])
			if err != nil {
				return err
			}
			var keys []string
			for k := range f.Meta {
				keys = append(keys, k)
			}
			sort.Strings(keys)
			for _, k := range keys {
				fmt.Fprintf(cli.Out, "%s = %s\n", text.Clean(k), text.Clean(f.Meta[k]))
			}
			t := &report.Table{Columns: []report.Column{{Name: "tensor"}, {Name: "type"}, {Name: "shape"}, {Name: "elements"}}}
			total := 0
			for _, x := range f.Tensors {
				if models.IsState(x.Name) {
					continue
				}
				t.Add(text.Clean(x.Name), x.Type, strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", "×"), "[]"), x.Len())
				total += x.Len()
			}
			t.AddSummary(text.Plural(len(t.Rows), "tensor"), "", "", total)
			if state := len(f.Tensors) - len(t.Rows); state > 0 {
				t.Note = fmt.Sprintf("and %s of training state", text.Plural(state, "tensor"))
			}
			return t.WriteText(cli.Out)
		},
	}
	cli.ReadsArgs(cmd, "FILE")
	return cmd
}

func newWeightsCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Load each file into its network: names, shapes, finite values",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef(cmd, "expected at least one file")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			for _, path := range args {
				dev := cpu.New()
				net, err := models.Load(dev, path)
				if err != nil {
					return err
				}
				if _, err := infer.Agree([]string{path}, []models.Preparation{net.Preparation}); err != nil {
					return err // what prediction would refuse
				}
				_, n := net.Count()
				m := net.Metadata()
				fmt.Fprintf(cli.Out, "%s: ok: %s, width %s, %s, %d parameters\n", text.Clean(path), m["model"], m["width"], m["up"], n)
				if err := dev.Close(); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cli.ReadsArgs(cmd, "FILE")
	return cmd
}

func newWeightsStrip() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "strip CHECKPOINT OUT",
		Short: "Write a checkpoint's weights without its training state",
		Args:  cli.ExactArgs(2, "a checkpoint and a file to write"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := weights.Read(args[0])
			if err != nil {
				return err
			}
			var keep []weights.Tensor
			f = models.Unwrapped(f)
			for _, x := range f.Tensors {
				if !models.IsState(x.Name) {
					keep = append(keep, x)
				}
			}
			c, err := models.ConfigOf(f)
			if err != nil {
				return err
			}
			prepared, err := models.PreparationOf(f)
			if err != nil {
				return err
			}
			meta := c.Metadata()
			maps.Copy(meta, prepared.Metadata())
			return weights.Write(args[1], keep, meta)
		},
	}
	cli.ReadsArgs(cmd, "CHECKPOINT")
	cli.WritesLastArg(cmd, "OUT", cli.Weights...)
	return cmd
}

func newWeightsFromAuthors() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "from-authors FILE [FILE2] --out OUT",
		Short: "Convert weights with the layer names of the paper's authors",
		Long: `Renames the layers of the authors' networks. A detector of theirs is two files, the
segmenter, whose encoder it uses, and the decoder with the fusion layers: give both.
Their files are pickled PyTorch modules, which only PyTorch can read; in PyTorch,
safetensors.torch.save_file(torch.load(A, weights_only=False).state_dict(), B) makes
the input of this command.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return cli.Usagef(cmd, "expected one or two files, got %d", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var files []*weights.File
			for _, path := range args {
				f, err := weights.Read(path)
				if err != nil {
					return err
				}
				files = append(files, f)
			}
			f, err := models.FromPublishedNames(files...)
			if err != nil {
				return err
			}
			return weights.Write(out, f.Tensors, f.Meta)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write (required)")
	cli.ReadsArgs(cmd, "FILE")
	cli.Writes(cmd, "out", cli.Weights...)
	cli.Must(cmd.MarkFlagRequired("out"))
	return cmd
}

func newWeightsToAuthors() *cobra.Command {
	var out, encoder string
	cmd := &cobra.Command{
		Use:   "to-authors FILE --out OUT [--encoder ENC]",
		Short: "Write weights with the layer names of the paper's authors",
		Args:  cli.ExactArgs(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := weights.Read(args[0])
			if err != nil {
				return err
			}
			rest, enc, err := models.ToPublishedNames(f)
			if err != nil {
				return err
			}
			if len(enc) > 0 && encoder == "" {
				return cli.Usagef(cmd, "a detector becomes two files: name the second with --encoder")
			}
			var files outfile.Set
			defer files.Discard()
			if len(enc) > 0 {
				if err := weights.WriteIn(&files, encoder, enc, nil); err != nil {
					return err
				}
			}
			if err := weights.WriteIn(&files, out, rest, nil); err != nil {
				return err
			}
			return files.Commit()
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write (required)")
	cmd.Flags().StringVar(&encoder, "encoder", "", "second file of a detector, its encoder")
	cli.ReadsArgs(cmd, "FILE")
	cli.Writes(cmd, "out", cli.Weights...)
	cli.Writes(cmd, "encoder", cli.Weights...)
	cli.Must(cmd.MarkFlagRequired("out"))
	return cmd
}
