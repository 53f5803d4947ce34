package azure

import (
	"encoding/json"
	"strings"
	"testing"
)

const dashed = "7f951dda-4ed3-4680-a7ca-43fe172d538d"

func TestParseGUID(t *testing.T) {
	want := GUID{0x7f, 0x95, 0x1d, 0xda, 0x4e, 0xd3, 0x46, 0x80, 0xa7, 0xca, 0x43, 0xfe, 0x17, 0x2d, 0x53, 0x8d}
	for _, in := range []string{dashed, strings.ToUpper(dashed), "7f951dda4ed34680a7ca43fe172d538d", "7F951DDA4ED34680A7CA43FE172D538D"} {
		if g, err := ParseGUID(in); err != nil || g != want {
			t.Errorf("ParseGUID(%q) = %v, %v", in, g, err)
		}
	}
	if want.String() != dashed || want.Hex() != "7f951dda4ed34680a7ca43fe172d538d" {
		t.Errorf("printed as %s and %s", want, want.Hex())
	}
	for _, in := range []string{"", "7f951dda", dashed[:35], dashed + "0", "{" + dashed + "}", "7f951dda-4ed3-4680-a7ca-43fe172d538g",
		"7f951dda_4ed3-4680-a7ca-43fe172d538d", "7f951dda4-ed3-4680-a7ca-43fe172d538d", "-f951dda-4ed3-4680-a7ca-43fe172d538d",
		"7f951dda4ed34680a7ca43fe172d538-", strings.Repeat("0", 10_000)} {
		if g, err := ParseGUID(in); err == nil || !g.IsZero() || len(err.Error()) > 300 {
			t.Errorf("ParseGUID(%.40q) = %v, %.300v", in, g, err)
		}
	}
}

func TestNewGUID(t *testing.T) {
	seen := map[GUID]bool{}
	for range 100 {
		g := NewGUID()
		if s := g.String(); seen[g] || s[14] != '4' || !strings.ContainsRune("89ab", rune(s[19])) {
			t.Errorf("%s is no new random GUID", s)
		}
		seen[g] = true
	}
}

func TestGUIDInJSON(t *testing.T) {
	type doc struct {
		ID GUID          `json:"id,omitzero"`
		By map[GUID]bool `json:"by,omitempty"`
	}
	in := `{"id":"` + dashed + `","by":{"` + dashed + `":true}}`
	var d doc
	if err := json.Unmarshal([]byte(strings.ToUpper(in[:46])+in[46:]), &d); err != nil || d.ID != MustGUID(dashed) || !d.By[d.ID] {
		t.Errorf("read %v, %v", d, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != in {
		t.Errorf("wrote %s, %v", b, err)
	}
	d = doc{ID: MustGUID(dashed)}
	if err := json.Unmarshal([]byte(`{"id":""}`), &d); err != nil || !d.ID.IsZero() {
		t.Errorf("read %v, %v from an empty text", d.ID, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `{}` {
		t.Errorf("wrote %s, %v", b, err)
	}
	d = doc{ID: MustGUID(dashed)}
	if err := json.Unmarshal([]byte(`{"id":"x"}`), &d); err == nil || d.ID != MustGUID(dashed) {
		t.Errorf("read %v, %v from a text that is no GUID", d.ID, err)
	}
}

func TestMustPanics(t *testing.T) {
	for name, f := range map[string]func(){"MustGUID": func() { MustGUID("x") }, "MustID": func() { MustID("x") }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}

func FuzzParseGUID(f *testing.F) {
	for _, s := range []string{dashed, "7F951DDA4ED34680A7CA43FE172D538D", "", "x", strings.Repeat("-", 36)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGUID(s)
		if err != nil {
			if !g.IsZero() {
				t.Errorf("%v with an error", g)
			}
			return
		}
		if strings.ToLower(s) != g.String() && strings.ToLower(s) != g.Hex() {
			t.Errorf("%q reads as %v", s, g)
		}
		for _, form := range []string{g.String(), g.Hex()} {
			if again, err := ParseGUID(form); err != nil || again != g {
				t.Errorf("%q reads as %v, %v", form, again, err)
			}
		}
	})
}

// Results of ARM's own engine, as published in Bicep's tests.
func TestNamedGUID(t *testing.T) {
	for _, test := range []struct {
		parts []string
		want  string
	}{
		{[]string{"foo", "bar", "baz"}, "2ed86837-7c7c-5eaa-9864-dd077fd19b0d"},
		{[]string{"asdf"}, "228d27cc-6fdb-5934-b7ac-1efccebade04"},
	} {
		if got := NamedGUID(test.parts...).String(); got != test.want {
			t.Errorf("%v: %s, want %s", test.parts, got, test.want)
		}
	}
}

// GUIDs are ordered as their texts are.
func TestCompare(t *testing.T) {
	for range 1000 {
		a, b := NewGUID(), NewGUID()
		if got, want := a.Compare(b), strings.Compare(a.String(), b.String()); got != want || a.Compare(a) != 0 {
			t.Fatalf("%s, %s: %d, want %d", a, b, got, want)
		}
	}
}
