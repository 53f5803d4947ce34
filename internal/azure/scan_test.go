package azure

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sample makes up a value for a field, such as the service would print.
func sample(r *rand.Rand, field string) string {
	sub := "/subscriptions/" + NewGUID().String()
	ids := []string{sub, sub + "/resourceGroups/rg-" + NewGUID().Hex()[:5] + "/providers/Microsoft.Network/virtualNetworks/vnet1/subnets/snet1",
		sub + "/resourceGroups/MC_rg_aks_westeurope/providers/Microsoft.Network"}
	switch field {
	case "client":
		return []string{NewGUID().String(), "jane.doe@contoso.com", NewGUID().Hex()}[r.IntN(3)]
	case "action", "linkedAction":
		return []string{"Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Compute/disks/read", "Microsoft.Storage/storageAccounts/listKeys/action"}[r.IntN(3)]
	case "scope", "denyScope", "lockedScope", "resource", "identity", "groupScope":
		return ids[r.IntN(3)]
	case "linkedScope", "deniedScope":
		return ids[r.IntN(3)] + "," + ids[r.IntN(3)]
	case "name", "details", "policies":
		return "node resource group deny assignment, see: https://aka.ms/aks/nrg_lockdown"
	case "permission":
		return "secrets get"
	case "type":
		return "Microsoft.Network/virtualNetworks"
	case "issuer":
		return "https://westeurope.oic.prod-aks.azure.com/" + NewGUID().String() + "/"
	case "subject":
		return "system:serviceaccount:ns:name"
	case "n", "denied":
		return "2"
	}
	return NewGUID().String()
}

func fill(r *rand.Rand, m *Message) (Fields, string) {
	f := Fields{}
	for _, p := range split(m.Text) {
		if p.field != "" {
			f[p.field] = sample(r, p.field)
		}
	}
	return f, m.Format(f).Message
}

// scanned are the fields that Scan looks for.
func scanned(m *Message) []string {
	var names []string
	for _, c := range compile(m).clauses {
		bare := !strings.ContainsAny(c.before, `'"`)
		if c.field != "" && !(bare && spacings[c.field] == words && len(letters(c.after)) == 0) {
			names = append(names, c.field)
		}
	}
	return names
}

// openEnded reports whether neither a quote nor words end a field, so that a line break may be its end.
func openEnded(m *Message, field string) bool {
	return slices.ContainsFunc(compile(m).clauses, func(c clause) bool {
		return c.field == field && !strings.ContainsAny(c.before, `'"`) && len(letters(c.after)) == 0
	})
}

// wrap breaks a text as terminals, pages and log viewers do, in the middle of words.
func wrap(r *rand.Rand, text string) string {
	width := 20 + r.IntN(100)
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + "\n" + strings.Repeat(" ", r.IntN(3)))
		text = text[width:]
	}
	return b.String() + text
}

func TestScanRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, m := range Messages() {
		for range 30 {
			fields, text := fill(r, m)
			for name, variant := range map[string]string{
				"as it is": text + "\n", "in a log": "E0101 failed: " + text + " (Code: X)\nnext line", "wrapped": wrap(r, text) + "\n",
			} {
				check(t, m, name, variant, fields)
			}
		}
	}
}

func check(t *testing.T, m *Message, name, text string, fields Fields) {
	t.Helper()
	found := slices.Collect(m.Scan(text))
	if len(found) != 1 {
		t.Fatalf("%s %s: %d matches in %q", m.Code, name, len(found), text)
	}
	for _, f := range scanned(m) {
		if name == "wrapped" && openEnded(m, f) {
			continue
		}
		got, want := found[0].Fields[f], fields[f]
		if spacings[f] == words { // a break may or may not have been a space
			got, want = strings.ReplaceAll(got, " ", ""), strings.ReplaceAll(want, " ", "")
		}
		if got != want {
			t.Fatalf("%s %s: %s = %q, want %q in %q", m.Code, name, f, got, want, text)
		}
	}
	if found[0].Truncated && name != "wrapped" && len(scanned(m)) == compile(m).fields {
		t.Fatalf("%s %s: truncated, in %q", m.Code, name, text)
	}
}

// TestScanTruncated: wherever a text is cut, a field is right or is not there.
func TestScanTruncated(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, m := range Messages() {
		fields, text := fill(r, m)
		for cut := r.IntN(3); cut < len(text); cut += 3 {
			for found := range m.Scan(text[:cut]) {
				for f, v := range found.Fields {
					if v != fields[f] {
						t.Fatalf("%s cut at %d: %s = %q, want %q: %q", m.Code, cut, f, v, fields[f], text[:cut])
					}
				}
			}
		}
	}
}

// TestScanBest: among all messages the right one, or one that says the same, is found.
func TestScanBest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, m := range Messages() {
		fields, text := fill(r, m)
		found := Scan("some words before: " + text + " and after")
		if len(found) != 1 || found[0].Message.Code != m.Code && found[0].Message.Text != m.Text {
			t.Errorf("%s: %d matches %+v in %q", m.Code, len(found), found, text)
			continue
		}
		for _, f := range scanned(m) {
			if got := found[0].Fields[f]; got != fields[f] {
				t.Errorf("%s: %s = %q, want %q in %q", m.Code, f, got, fields[f], text)
			}
		}
		if !Mentions([]byte(text)) {
			t.Errorf("%s: not mentioned in %q", m.Code, text)
		}
	}
}

// TestScanSeveral: messages one after the other are told apart.
func TestScanSeveral(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		var text strings.Builder
		var want []Fields
		for range 5 {
			f, s := fill(r, TemplateAuthorizationFailed)
			text.WriteString(s + ":")
			want = append(want, f)
		}
		found := Scan(text.String())
		if len(found) != len(want) {
			t.Fatalf("%d matches, want %d", len(found), len(want))
		}
		for i := range want {
			if !maps.Equal(found[i].Fields, want[i]) {
				t.Fatalf("match %d: %v, want %v", i, found[i].Fields, want[i])
			}
		}
	}
}

func TestScanVariants(t *testing.T) {
	for _, c := range []struct {
		name, text string
		message    *Message
		fields     Fields
	}{
		{"no client, no quotes, no scope", "(...)The client does not have authorization to perform action Microsoft.Storage/x/read over scope or the scope is invalid.",
			AuthorizationFailed, Fields{"action": "Microsoft.Storage/x/read"}},
		{"quote that never closes", "The client 'a with object id 'b' does not have authorization to perform action 'A/read' over scope '/subscriptions//x'.",
			AuthorizationFailed, Fields{"client": "a", "oid": "b", "action": "A/read", "scope": "/subscriptions//x"}},
		{"first half removed", "The client 'a' with object id 'b' does not have permission to perform action(s) 'N/join/action' on the linked scope(s) \n'/subscriptions/<r>/virtualN",
			LinkedAuthorizationFailed, Fields{"client": "a", "oid": "b", "linkedAction": "N/join/action"}},
		{"begins in the middle", "has permission to perform action 'A/write' on scope '/s/a'; however, it does not have permission to perform action 'B/action' on the linked scope(s) '/s/b,/s/c' or the linked scope(s) are invalid\n.",
			LinkedAuthorizationFailedOld, Fields{"action": "A/write", "scope": "/s/a", "linkedAction": "B/action", "linkedScope": "/s/b,/s/c"}},
		{"cut before the deny or the linked part", "The client 'a' with object id 'b' has permission to perform action 'A/write' on scope '/s/a'; however",
			LinkedAuthorizationFailed, Fields{"client": "a", "oid": "b", "action": "A/write", "scope": "/s/a"}},
		{"quotes inside of a name", "The client 'u' with object id 'o' has permission to perform action 'A/delete' on scope '/s'; however, the access is denied because of the deny assignment with name 'Deny assignment 'x' created by '/y'.' and Id 'i' at scope '/d'.",
			DenyAssignmentAuthorizationFailed, Fields{"client": "u", "oid": "o", "action": "A/delete", "scope": "/s", "name": "Deny assignment 'x' created by '/y'.", "id": "i", "denyScope": "/d"}},
		{"placeholder with spaces", "The client '<my id>' with object id '<my id>' does not have authorization to perform action 'A/read' over scope '/subscriptions/[redacted id]/x' or",
			AuthorizationFailed, Fields{"client": "<my id>", "oid": "<my id>", "action": "A/read", "scope": "/subscriptions/[redacted id]/x"}},
	} {
		found := Scan(c.text)
		if len(found) != 1 || found[0].Message != c.message || !maps.Equal(found[0].Fields, c.fields) {
			t.Errorf("%s: %+v\nwant %s %v", c.name, found, c.message.Text, c.fields)
		}
	}
}

func TestScanNothing(t *testing.T) {
	for _, text := range []string{"", "The client said it was on scope.", "Identity", "object id 'x' at scope '/'", strings.Repeat("the client on scope ", 1000)} {
		if found := Scan(text); len(found) != 0 {
			t.Errorf("%.40q: %+v", text, found)
		}
	}
}

func TestPhrases(t *testing.T) {
	p := NewPhrases([]string{"over scope", "scope", "Scope is", "", "aBc1"})
	got := p.Find("Over\n  sc'ope is: ABC1 xabc1 abc12 scopes")
	want := []Hit{{0, 0, 13}, {1, 7, 13}, {2, 7, 16}, {4, 18, 22}}
	if !slices.Equal(got, want) {
		t.Errorf("Find = %v, want %v", got, want)
	}
	if !p.Any([]byte(`x over\nscope`)) || p.Any([]byte("ab c2")) {
		t.Error("Any is wrong")
	}
}

func FuzzScan(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, m := range Messages() {
		_, text := fill(r, m)
		f.Add(text)
		f.Add(wrap(r, text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, m := range Scan(text) {
			if m.Start < end || m.End < m.Start || m.End > len(text) {
				t.Fatalf("match from %d to %d after %d in %d bytes", m.Start, m.End, end, len(text))
			}
			end = m.End
		}
		for _, m := range []*Message{AuthorizationFailed, LinkedAuthorizationFailedDenied, VaultForbiddenByRBAC} {
			for range m.Scan(text) {
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	_, text := fill(r, LinkedAuthorizationFailed)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Scan(text)
	}
}
