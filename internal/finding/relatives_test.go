package finding

import (
	"regexp"
	"testing"
)

// Relatives are named as their catalogues name them, and belong to rules.
func TestRelatives(t *testing.T) {
	shape := map[string]*regexp.Regexp{
		azurePolicy: regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`), checkov: regexp.MustCompile(`^CKV_AZURE_\d+$`),
		psRule: regexp.MustCompile(`^Azure\.[A-Z]+\.\w+$`), mcsb: regexp.MustCompile(`^[A-Z]{2}-\d+$`), cis: regexp.MustCompile(`^\d(\.\d+)+$`),
	}
	n := 0
	for _, r := range Rules() {
		for _, x := range r.Relatives() {
			if s := shape[x.Catalogue]; s == nil || !s.MatchString(x.ID) {
				t.Errorf("%s: %s %s", r.ID, x.Catalogue, x.ID)
			}
		}
		if len(r.Relatives()) > 0 {
			n++
		}
	}
	if n != len(relatives) {
		t.Errorf("%d rules have relatives, and there are those of %d", n, len(relatives))
	}
}
