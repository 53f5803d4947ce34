package report

import (
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// inventoryEstate is the estate of the check's golden file, with an activity log.
func inventoryEstate(t *testing.T) *estate.Estate {
	t.Helper()
	a, _ := archive(t, "inventory")
	exports, _ := archive(t, "freight")
	exports.Files = append(exports.Files, a.Files...)
	return load(t, exports, "freightacr")
}

// TestInventory lists clusters, and how their roles have changed, in every form.
func TestInventory(t *testing.T) {
	a, path := archive(t, "inventory")
	e := inventoryEstate(t)
	at := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	list := NewInventory(e, at)
	changes := list
	changes.AddChanges(e, at.AddDate(0, 0, -60))
	for name, r := range map[string]Inventory{"list": list, "changes": changes} {
		for format, ending := range map[string]string{"table": "txt", "markdown": "md", "json": "json"} {
			var out strings.Builder
			if err := r.Print(&out, format, false); err != nil {
				t.Fatal(err)
			}
			golden(t, a, path, "golden/"+name+"."+ending, out.String())
		}
	}
	if !changes.Unsure() {
		t.Error("the hub's log is not there, and the list is sure")
	}
}

// TestRunbook writes the page of a cluster, twice alike.
func TestRunbook(t *testing.T) {
	a, path := archive(t, "inventory")
	e := inventoryEstate(t)
	page := func() string {
		var out strings.Builder
		r := NewRunbook(e, finding.Check(e, e.Clusters[0]), time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC), "v1")
		if err := r.Write(&out); err != nil {
			t.Fatal(err)
		}
		if got := r.FileName(); got != "rg-platform.freight-prod.md" {
			t.Errorf("its file is %s", got)
		}
		return out.String()
	}
	first := page()
	golden(t, a, path, "golden/runbook.md", first)
	if page() != first {
		t.Error("the second time it is another page")
	}
	if id, ok := RunbookOf([]byte(first)); !ok || !id.Equal(e.Clusters[0].ID) {
		t.Errorf("it is about %v, %v", id, ok)
	}
	odd := strings.ReplaceAll(first, "freight-prod -->", "freight--prod -->")
	if id, ok := RunbookOf([]byte(odd)); !ok || id.Name() != "freight--prod" {
		t.Errorf("a name with two dashes is %v, %v", id, ok)
	}
	for _, text := range []string{"", "# Runbook", runbookMark + "nothing -->", runbookMark + "/subscriptions/1"} {
		if _, ok := RunbookOf([]byte(text)); ok {
			t.Errorf("%q is taken for a page", text)
		}
	}
	// Every id of an identity is one that check --ids finds, and knows.
	known := finding.Identify(e, finding.FindIDs(first))
	for _, id := range e.Identities(e.Clusters[0]) {
		found := false
		for _, m := range known {
			g, err := azure.ParseGUID(m.ID)
			found = found || err == nil && g == id.Principal && m.Is == finding.Live
		}
		if !found {
			t.Errorf("%s is not found by its object id in %v", id.Name, known)
		}
	}
}
