package local

import (
	"errors"
	"path/filepath"
	"runtime"
)

// DataVar is the environment variable that names the data folder.
const DataVar = "AKSID_DATA"

// Dir is the data folder as an absolute path: the flag's value, else AKSID_DATA, else aksid in the user's data folder.
func Dir(flag string, getenv func(string) string) (string, error) {
	dir := flag
	if dir == "" {
		dir = getenv(DataVar)
	}
	if dir == "" {
		base := userData(runtime.GOOS, getenv)
		if base == "" {
			return "", errors.New("there is no user's data folder here; name one with --data DIR or " + DataVar)
		}
		dir = filepath.Join(base, "aksid")
	}
	return filepath.Abs(dir)
}

// userData is the folder where an operating system keeps what a user's programs know, or "".
func userData(goos string, getenv func(string) string) string {
	home, below := getenv("HOME"), ""
	switch goos {
	case "windows":
		return getenv("LocalAppData")
	case "darwin":
		below = "Library/Application Support"
	default: // XDG Base Directory Specification
		if xdg := getenv("XDG_DATA_HOME"); filepath.IsAbs(xdg) {
			return xdg
		}
		below = ".local/share"
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, filepath.FromSlash(below))
}
