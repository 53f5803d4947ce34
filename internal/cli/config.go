package cli

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"aksid/internal/finding"
	"aksid/internal/plain"
)

// configFile is the tuning of a working directory.
const configFile = "aksid.yaml"

// configFlag adds --config to a command.
func configFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "config", "", "`file` with severities and accepted findings (default: "+configFile+" in the working directory, if there is one)")
}

// readTuning reads the file that --config names, or the one of the working directory; without either there is no tuning.
func readTuning(flag string) (*finding.Tuning, error) {
	path := flag
	if path == "" {
		path = configFile
	}
	text, err := plain.ReadFile(path, finding.MaxTuning)
	if flag == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("%s cannot be read: %w", path, err)
	}
	t, err := finding.ParseTuning(text)
	if err != nil {
		return nil, usagef("%s: %w", path, err)
	}
	return t, nil
}
