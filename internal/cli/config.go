package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"aksid/internal/finding"
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
	text, err := readRegular(path, finding.MaxTuning)
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

// readRegular reads a file of bounded size; what is no plain file, as a pipe, is refused.
func readRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no plain file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	return text, err
}
