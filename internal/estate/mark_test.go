package estate

import (
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

var aMark = Mark{Request: "bg-20261124-k3f9aaaa", Until: time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC), Requester: controlPlaneOID, Approver: kubeletOID, Cluster: clusterID}

// A mark is read as it was written, and what is less than a mark is not taken for one.
func TestMark(t *testing.T) {
	text := aMark.String()
	if m, marked, ok := ParseMark(text); m != aMark || !marked || !ok {
		t.Errorf("%s: %+v, %v, %v", text, m, marked, ok)
	}
	if len(text) > 1024 {
		t.Errorf("a description takes 1,024 characters, not %d", len(text))
	}
	for _, c := range []struct {
		text       string
		marked, ok bool
	}{
		{"", false, false}, {"made by aksid", false, false}, {"see: " + text, false, false},
		{"aksid break-glass ", true, false}, {strings.Replace(text, "2026-11-24T14", "soon", 1), true, false},
		{strings.Replace(text, kubeletOID.String(), "me", 1), true, false}, {text + "\nand more", true, false}, {text + " and more", true, false},
	} {
		if _, marked, ok := ParseMark(c.text); marked != c.marked || ok != c.ok {
			t.Errorf("%q: marked %v, read %v", c.text, marked, ok)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add(aMark.String())
	f.Add("aksid break-glass x until y requested by z approved by a for /b")
	f.Fuzz(func(t *testing.T, s string) {
		m, marked, ok := ParseMark(s)
		if ok && (!marked || m.Request == "" || m.Until.IsZero() && !strings.Contains(s, "0001-01-01")) {
			t.Errorf("%q: %+v", s, m)
		}
		if again, _, ok2 := ParseMark(m.String()); ok && (!ok2 || !again.Until.Equal(m.Until.Truncate(time.Second)) || again.Request != m.Request) {
			t.Errorf("%q became %q", s, m.String())
		}
	})
}

// Marks are found live, in what was saved, read the fast way and the slow way, and in what az printed.
func TestMarked(t *testing.T) {
	f := freight(t)
	for _, d := range f.docs {
		if azure.MustID(textAt(d, "id")).Type() == typeAssignment {
			d["properties"].(map[string]any)["description"] = aMark.String()
			break
		}
	}
	live, again := saved(t, f.live())
	for _, e := range []*Estate{live, again} {
		got := e.Marked()
		if len(got) != 1 || !got[0].OK || got[0].Mark != aMark {
			t.Errorf("%+v", got)
		}
	}
	if live.At.IsZero() || !live.At.Equal(again.At) {
		t.Errorf("read at %v, and by what was saved at %v", live.At, again.At)
	}
}

func TestCallerOf(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{"eyJvaWQiOiJhMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDEiLCJ1cG4iOiJhZGFAZXhhbXBsZS5jb20ifQ", "ada@example.com"},                                                    // oid and upn
		{"eyJvaWQiOiJhMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDEiLCJhcHBpZCI6ImMwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMSJ9", "c0000000-0000-0000-0000-000000000001"}, // oid and appid
		{"e30", ""}, {"!", ""}, {"W10", ""},
	} {
		who, err := callerOf("x." + c.payload + ".y")
		if (err == nil) != (c.want != "") || err == nil && (who.Name != c.want || who.Object != controlPlaneOID) {
			t.Errorf("%s: %+v, %v", c.payload, who, err)
		}
	}
	if _, err := callerOf("opaque"); err == nil {
		t.Error("a token that says nothing says who it is for")
	}
}
