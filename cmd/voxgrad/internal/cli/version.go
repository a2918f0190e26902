package cli

import (
	"fmt"
	"runtime/debug"
)

// version is set by the linker (see the Makefile); build info serves otherwise.
var release = ""

// Version is the release or commit the program was built from, with the
// Go version and the platform.
func Version() string {
	v := release
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if v == "" {
		v = info.Main.Version
		if r := set["vcs.revision"]; len(r) >= 12 {
			v = r[:12]
			if set["vcs.modified"] == "true" {
				v += "-dirty"
			}
		}
	}
	return fmt.Sprintf("%s (%s %s/%s)", v, info.GoVersion, set["GOOS"], set["GOARCH"])
}

// PageFooter reports what made a page.
func PageFooter() string {
	return "voxgrad " + Version() + ". For research only: not a medical device."
}

// Commit is the commit that the program was built from, "" where the build does not tell.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
