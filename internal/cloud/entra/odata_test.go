package entra

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

var testProperties = []string{"id", "displayName", "accountEnabled", "mail", "names", "in"}

func TestFilter(t *testing.T) {
	o := object{"id": "00000000-0000-0000-0000-000000000001", "displayName": "O'Neil, Ann (x)", "accountEnabled": true, "mail": nil,
		"names": []string{"api://a", "B"}, "in": "null"}
	for text, want := range map[string]bool{
		"displayName eq 'O''Neil, Ann (x)'":                       true,
		"DISPLAYNAME EQ 'o''neil, ann (X)'":                       true,
		"displayName eq 'O''Neil'":                                false,
		"startswith(displayName,'o''n')":                          true,
		"startswith( displayName , 'Ann' )":                       false,
		"startswith(displayName,'')":                              true,
		"startswith(mail,'x')":                                    false,
		"id eq 00000000-0000-0000-0000-000000000001":              true,
		"accountEnabled eq true":                                  true,
		"accountEnabled eq 'true'":                                false,
		"accountEnabled eq false":                                 false,
		"mail eq null":                                            true,
		"mail eq 'null'":                                          false,
		"in eq null":                                              false,
		"in eq 'null'":                                            true,
		"displayName eq null":                                     false,
		"names/any(c:c eq 'API://A')":                             true,
		"names/any(n: startswith(n,'b'))":                         true,
		"names/any(c:c eq 'x')":                                   false,
		"names/any(c:c in ('x','b'))":                             true,
		"names eq 'B'":                                            false,
		"displayName/any(c:c eq 'O')":                             false,
		"id in ('x', '00000000-0000-0000-0000-000000000001')":     true,
		"id in ('x')":                                             false,
		"in in ('null')":                                          true,
		"not (mail eq null)":                                      false,
		"not mail eq null or accountEnabled eq true":              true,
		"not (mail eq null or accountEnabled eq true)":            false,
		"mail eq 'a' and mail eq 'b' or accountEnabled eq true":   true,
		"mail eq 'a' and (mail eq 'b' or accountEnabled eq true)": false,
		"accountEnabled eq true or mail eq 'a' and mail eq 'b'":   true,
		"((accountEnabled eq true))":                              true,
	} {
		f, err := parseFilter(text, testProperties)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := f.match(o); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestFilterThatIsNone(t *testing.T) {
	for _, text := range []string{
		"", " ", "displayName", "displayName eq", "eq 'x'", "displayName eq 'x", "displayName eq 'x' and", "displayName eq 'x' displayName eq 'y'",
		"displayName ne 'x'", "displayName gt 'x'", "(displayName eq 'x'", "displayName eq 'x')", "()", "not", "'displayName' eq 'x'",
		"startswith(displayName 'x')", "startswith(displayName,'x'", "startswith displayName,'x'", "startswith('x',displayName)",
		"id in 'x'", "id in ()", "id in ('x'", "id in ('x',)", "names/any(c:c eq 'x'", "names/any(c eq 'x')", "names/any('c':c eq 'x')",
		"names/all(c:c eq 'x')", "names/any(c:c/x eq 'y')", "contains(displayName,'x')", "endswith(displayName,'x')",
		strings.Repeat("(", 40) + "mail eq null" + strings.Repeat(")", 40), strings.Repeat("not ", 40) + "mail eq null",
		"displayName eq '" + strings.Repeat("x", maxFilter) + "'",
	} {
		if f, err := parseFilter(text, testProperties); err == nil {
			t.Errorf("%q is read as %s", text, f)
		}
	}
}

func TestFilterByWhatIsNotOffered(t *testing.T) {
	for text, property := range map[string]string{
		"homepage eq 'x'": "homepage", "mail eq null and tags eq 'x'": "tags", "startswith(x,'y')": "x", "names/any(c:d eq 'x')": "d",
		"names/any(c:displayName eq 'x')": "displayName", "endswith(displayName,'x')": "endswith",
	} {
		var unsupported unsupported
		if _, err := parseFilter(text, testProperties); !errors.As(err, &unsupported) || unsupported.property != property {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzParseFilter: a filter that is read can be written and read again to the same, and never panics.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"displayName eq 'O''Neil' and not (accountEnabled eq true)", "names/any(c:c eq 'x') or id in ('a','b')", "startswith(mail,'')", "not not mail eq null",
		"names/any(c:startswith(c,'x''y'))", "((", "'", "in in (in)", "id eq eq",
	} {
		f.Add(seed)
	}
	o := object{"id": "a", "displayName": "b", "accountEnabled": true, "mail": nil, "names": []string{"c"}, "in": "d"}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseFilter(text, testProperties)
		if err != nil {
			return
		}
		written := first.String()
		second, err := parseFilter(written, testProperties)
		if len(written) > maxFilter || strings.Count(written, "(") > maxFilterDepth {
			return // brackets are written around everything
		}
		if err != nil || second.String() != written || second.match(o) != first.match(o) {
			t.Errorf("%q is written as %q and read as %v, %v", text, written, second, err)
		}
	})
}

// TestALookupIsAScan: whether a filter names one object or all are looked through, the answer is the same.
func TestALookupIsAScan(t *testing.T) {
	te := newTester(t)
	token := te.token(reader)
	list := func(set, filter string) string {
		q := url.Values{"$filter": {filter}, "$select": {"id"}}
		w := call(te.Handler(), "GET", "/v1.0/"+set+"?"+q.Encode(), token, nil, "")
		if w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", set, filter, w.Code, w.Body)
		}
		return w.Body.String()
	}
	values := []string{"x", "ann@example.org"}
	for _, p := range []interface{ String() string }{operator.ID, operator.AppID, user1.ID, user1.AppID, ann.ID, admins.ID, registered.ID, registered.AppID} {
		values = append(values, p.String())
	}
	clauses := map[string][]string{
		"servicePrincipals": {"id eq '%s'", "appId eq '%s'", "servicePrincipalNames/any(c:c eq '%s')"},
		"applications":      {"id eq '%s'", "appId eq '%s'"},
		"users":             {"id eq '%s'", "userPrincipalName eq '%s'"},
		"groups":            {"id eq '%s'"},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		sets := slices.Sorted(maps.Keys(clauses))
		set := sets[r.IntN(len(sets))]
		clause := func() string {
			return fmt.Sprintf(clauses[set][r.IntN(len(clauses[set]))], values[r.IntN(len(values))])
		}
		filter := clause()
		switch r.IntN(3) {
		case 1:
			filter += " and " + clause()
		case 2:
			filter = "startswith(displayName,'') and " + filter
		}
		// A disjunction with nothing cannot be answered by a look-up.
		if got, want := list(set, filter), list(set, "("+filter+") or id eq 'nothing'"); got != want {
			t.Errorf("%s %s: got %s, want %s", set, filter, got, want)
		}
	}
}
