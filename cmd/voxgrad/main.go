// Command voxgrad trains, applies and scores networks that find multiple
// sclerosis lesions in FLAIR scans, and those that are new between two of them.
//
// Results go to standard output, everything else to standard error. The exit
// status is 0 on success, 1 when the input or the machine is at fault, 2 when the
// command line is, 130 when a signal stopped it before its work was done; a signal is how view
// ends, with 0.
package main

import (
	"os"

	"voxgrad/cmd/voxgrad/internal/root"
)

func main() { os.Exit(root.Run(os.Args[1:])) }
