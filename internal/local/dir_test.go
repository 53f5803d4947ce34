package local

import (
	"path/filepath"
	"testing"
)

func TestUserData(t *testing.T) {
	tests := []struct {
		goos string
		env  map[string]string
		want string
	}{
		{"linux", map[string]string{"HOME": "/home/u"}, "/home/u/.local/share"},
		{"linux", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "/xdg"}, "/xdg"},
		{"linux", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "relative"}, "/home/u/.local/share"},
		{"linux", nil, ""},
		{"darwin", map[string]string{"HOME": "/Users/u", "XDG_DATA_HOME": "/xdg"}, "/Users/u/Library/Application Support"},
		{"windows", map[string]string{"LocalAppData": `C:\Users\u\AppData\Local`}, `C:\Users\u\AppData\Local`},
	}
	for _, test := range tests {
		if got := userData(test.goos, func(k string) string { return test.env[k] }); got != test.want {
			t.Errorf("%s with %v: %q, want %q", test.goos, test.env, got, test.want)
		}
	}
}

func TestDir(t *testing.T) {
	env := map[string]string{"HOME": "/home/u", "LocalAppData": "/home/u"}
	getenv := func(k string) string { return env[k] }
	if got, err := Dir("", getenv); err != nil || filepath.Base(got) != "aksid" {
		t.Errorf("default: %q, %v", got, err)
	}
	env[DataVar] = "/from/env"
	if got, err := Dir("", getenv); err != nil || got != "/from/env" {
		t.Errorf("from the environment: %q, %v", got, err)
	}
	if got, err := Dir("flag", getenv); err != nil || !filepath.IsAbs(got) || filepath.Base(got) != "flag" {
		t.Errorf("from the flag: %q, %v", got, err)
	}
	if got, err := Dir("", func(string) string { return "" }); err == nil {
		t.Errorf("no home: %q", got)
	}
}
