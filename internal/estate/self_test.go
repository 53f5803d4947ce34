package estate

import (
	"os"
	"strings"
	"testing"
)

// docs/reading.md names every right that --self looks for.
func TestReadingsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/reading.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Readings {
		if r.What == "" || r.Without == "" || r.Vital && r.Action == "" {
			t.Errorf("%+v is not complete", r)
		}
		if r.Action != "" && r.Action != TypeSubnet+"/read" && !strings.Contains(string(text), "`"+string(r.Action)+"`") {
			t.Errorf("docs/reading.md does not name %s", r.Action)
		}
	}
}
