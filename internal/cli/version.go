package cli

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what this binary was built from.
type version struct {
	Version  string `json:"version"`          // of the module, "(devel)" when it was built without one
	Commit   string `json:"commit,omitempty"` // empty when it was built outside of a checkout
	Time     string `json:"time,omitempty"`   // of the commit, RFC 3339
	Modified bool   `json:"modified"`         // the checkout had changes
	Go       string `json:"go"`
}

func newVersion(a *App) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit it was built from",
		Example: "  aksid version\n  aksid version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return printVersion(a, built(), output)
		},
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// release is the version that a release was built as; scripts/release sets it.
var release string

// built is what this program was built from.
func built() version {
	info, _ := debug.ReadBuildInfo() // nil without module support
	v := versionOf(info)
	if release != "" {
		v.Version = release
	}
	return v
}

func versionOf(info *debug.BuildInfo) version {
	v := version{Version: "(devel)"}
	if info == nil {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func printVersion(a *App, v version, output string) error {
	if output == "json" {
		return json.NewEncoder(a.Out).Encode(v)
	}
	_, err := fmt.Fprintln(a.Out, v)
	return err
}

func (v version) String() string {
	commit := "an unknown commit"
	if v.Commit != "" {
		commit = "commit " + v.Commit
	}
	if v.Modified {
		commit += " with changes"
	}
	return fmt.Sprintf("aksid %s, %s, %s", v.Version, commit, v.Go)
}
