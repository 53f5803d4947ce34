package rbac

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"aksid/internal/azure"
)

const (
	assignWrite  azure.Action = "Microsoft.Authorization/roleAssignments/write"
	assignDelete azure.Action = "Microsoft.Authorization/roleAssignments/delete"
	blobRead     azure.Action = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
)

// delegation is Azure's template for constrained delegation (azure-facts 3.5).
const delegation = `((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {7f951dda-4ed3-4680-a7ca-43fe172d538d} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'})) AND ((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {7f951dda-4ed3-4680-a7ca-43fe172d538d}))`

func TestCondition(t *testing.T) {
	for _, c := range []struct {
		text                string
		write, remove, blob truth
	}{
		{"", yes, yes, yes},
		{" \n\t", yes, yes, yes},
		{delegation, maybe, maybe, yes},
		{strings.ToUpper(delegation), maybe, maybe, yes},
		{strings.ToLower(delegation), maybe, maybe, yes},
		{strings.ReplaceAll(strings.ReplaceAll(delegation, "OR", "||"), "AND", "&&"), maybe, maybe, yes},
		{strings.NewReplacer("!(", "NOT\n(", "{'", "  {\t' ", "'}", " ' }", ")", " ) ").Replace(delegation), maybe, maybe, yes},
		{"!ActionMatches{'*/write'} OR @Request[x] GuidEquals 1", maybe, yes, yes},
		{"!ActionMatches{'*/blobs/*' } OR @Resource[a/b:tags:Name<$it's(x)$>] StringEquals 'it'", maybe, maybe, maybe}, // a lone quote: not understood
		{"!ActionMatches{'Microsoft.Authorization/*'} OR @Resource[a/b:tags:K<$x)$>] StringEquals ')) OR ActionMatches{''*''} OR ((' ", maybe, maybe, yes},
		{"!ActionMatches{'*/write'} OR @Resource[x] StringEquals ') OR ActionMatches{x} OR ('", maybe, yes, yes},
		{"!ActionMatches{'*/write'} OR @Resource[x] StringLike 'a\\'b*'", maybe, yes, yes},
		{"!(ActionMatches{'*/read'} AND NOT SubOperationMatches{'Blob.List'}) OR @Resource[x] StringEquals 'y'", yes, yes, maybe},
		{"!(ActionMatches{'*/read'} AND SubOperationMatches{'Blob.List'})", yes, yes, maybe},
		{"ActionMatches{'*/read'}", no, no, yes},
		{"!ActionMatches{'*/read'}", yes, yes, no},
		{"! ! not (not(ActionMatches{'*/read'}))", no, no, yes},
		{"ActionMatches{'*/write'} OR ActionMatches{'*/delete'}", yes, yes, no},
		{"ActionMatches{'*/write'} AND ActionMatches{'*/delete'}", no, no, no},
		{"Exists @Request[x] OR ActionMatches{'*/write'}", yes, maybe, maybe},
		{"NOT Exists @Request[x] AND ActionMatches{'*/write'}", maybe, no, no},
		{"'x' StringEquals @Resource[y] AND ActionMatches{'*/write'}", maybe, no, no},
		// a block without ActionMatches is about every action
		{"@Resource[HasObotoken] boolequals true", maybe, maybe, maybe},
		{"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{8b9dfcab4b774632a6df94bd07820648,c8ae62795a0b4cb2b3f0d4d62845742c}", maybe, maybe, maybe},
		{"(!ActionMatches{'*/write'} OR @Request[x] GuidEquals 1) AND @Environment[UtcNow] DateTimeLessThan '2027-01-01'", maybe, maybe, maybe},
		// what is not understood may be anything
		{"ActionMatches{'*/write'} OR ActionMatches{'*/read'} AND @Resource[x] BoolEquals true", maybe, maybe, maybe},
		{"ActionMatches{'*'} x", maybe, maybe, maybe},
		{"ActionMatches{'*'", maybe, maybe, maybe},
		{"ActionMatches{*}", maybe, maybe, maybe},
		{"ActionMatches{}", maybe, maybe, maybe},
		{"ActionMatches{'a','*'}", maybe, maybe, maybe},
		{"ActionMatches'*'", maybe, maybe, maybe},
		{"ActionMatches", maybe, maybe, maybe},
		{"(ActionMatches{'*'}", maybe, maybe, maybe},
		{"ActionMatches{'*'})", maybe, maybe, maybe},
		{"()", maybe, maybe, maybe},
		{"!", maybe, maybe, maybe},
		{"OR", maybe, maybe, maybe},
		{"ActionMatches{'*'} OR", maybe, maybe, maybe},
		{"ActionMatches{'*'} & ActionMatches{'*'}", maybe, maybe, maybe},
		{"'", maybe, maybe, maybe},
		{strings.Repeat("(", 50) + "ActionMatches{'*/write'}" + strings.Repeat(")", 50), yes, no, no},
		{strings.Repeat("(", 1000) + "ActionMatches{'*/write'}" + strings.Repeat(")", 1000), maybe, maybe, maybe},
		{strings.Repeat("!", 10_000) + "ActionMatches{'*'}", maybe, maybe, maybe},
		{"ActionMatches{'*'}" + strings.Repeat(" ", maxCondition) + "x", maybe, maybe, maybe},
	} {
		p := parseCondition(c.text)
		for action, want := range map[azure.Action]truth{assignWrite: c.write, assignDelete: c.remove, blobRead: c.blob} {
			if got := p.eval(action); got != want {
				t.Errorf("%.120q is %d for %s, want %d", c.text, got, action, want)
			}
		}
	}
}

// TestBuiltInConditions counts them (azure-facts 2): each is open for an action that its element grants, or for all.
func TestBuiltInConditions(t *testing.T) {
	roles, elements := 0, 0
	for r := range BuiltInRoles() {
		some := false
		for _, e := range r.Permissions {
			if e.Condition == "" {
				continue
			}
			some = true
			elements++
			c := parseCondition(e.Condition)
			open := 0
			for _, a := range append(e.Actions, e.DataActions...) {
				if c.eval(azure.Action(a)) == maybe {
					open++
				}
			}
			if about := strings.Contains(strings.ToLower(e.Condition), "actionmatches"); open == 0 || about != (c.eval("Microsoft.Other/things/read") == yes) {
				t.Errorf("%s: open for %d actions: %s", r.Name, open, e.Condition)
			}
		}
		if some {
			roles++
		}
	}
	if roles != 29 || elements != 31 {
		t.Errorf("%d roles have %d conditions, want 29 and 31", roles, elements)
	}
}

// random makes a condition and the truth of it for an action.
func randomCondition(r *rand.Rand, action azure.Action, depth int) (string, truth) {
	space := func() string { return []string{"", " ", "\n\t"}[r.IntN(3)] }
	word := func(s ...string) string {
		w := s[r.IntN(len(s))]
		if r.IntN(3) == 0 {
			w = strings.ToLower(w)
		}
		return w
	}
	kind := r.IntN(6)
	if depth == 0 {
		kind = r.IntN(2)
	}
	switch kind {
	case 0:
		pattern := []string{"*", "*/write", "*/delete", string(action), "a/*"}[r.IntN(5)]
		t := no
		if naiveMatch(strings.ToLower(pattern), strings.ToLower(string(action))) {
			t = yes
		}
		return word("ActionMatches") + space() + "{" + space() + "'" + space() + pattern + space() + "'" + space() + "}", t
	case 1:
		return word("@Resource[a:b] StringEquals ' ) OR ( '", "SubOperationMatches{'x'}", "Exists @Request[c]", "@Principal[d] ForAnyOfAllValues:GuidEquals{1, 2}"), maybe
	case 2:
		s, t := randomCondition(r, action, depth-1)
		return word("!", "NOT ") + space() + "(" + s + space() + ")", yes - t
	case 3:
		s, t := randomCondition(r, action, depth-1)
		return "(" + space() + s + ")", t
	}
	s, t := randomCondition(r, action, depth-1)
	parts := []string{"(" + s + ")"}
	for range 1 + r.IntN(3) {
		s, next := randomCondition(r, action, depth-1)
		parts = append(parts, "("+s+space()+")")
		if kind == 4 {
			t = min(t, next)
		} else {
			t = max(t, next)
		}
	}
	op := [][]string{{"AND", "&&"}, {"OR", "||"}}[kind-4]
	return strings.Join(parts, space()+word(op...)+space()), t
}

func TestRandomConditions(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var seen [3]int
	for range 20_000 {
		action := []azure.Action{assignWrite, assignDelete, blobRead}[r.IntN(3)]
		text, want := randomCondition(r, action, r.IntN(6))
		if len(text) > maxCondition {
			continue
		}
		seen[want]++
		if got := parseCondition(text).eval(action); got != want {
			t.Fatalf("%q is %d for %s, want %d", text, got, action, want)
		}
	}
	if min(seen[no], seen[maybe], seen[yes]) < 2000 {
		t.Errorf("truths %v", seen)
	}
}

// FuzzCondition puts arbitrary text where a condition compares attributes: the blocks around it keep their meaning, or
// nothing is known.
func FuzzCondition(f *testing.F) {
	f.Add(delegation)
	f.Add("@Resource[x] StringEquals 'y'")
	f.Add("'")
	f.Add("{[('")
	f.Add("x OR y AND z")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseCondition(text)
		if (c == nil) != (strings.TrimSpace(text) == "") {
			t.Fatalf("%q: %v", text, c)
		}
		alone := c.eval(assignWrite)
		if named := strings.Contains(strings.ToLower(text), "actionmatches"); !named && c != nil && alone != maybe {
			t.Errorf("%q is %d without ActionMatches", text, alone)
		}
		if c == nil {
			return
		}
		for _, action := range []azure.Action{assignWrite, blobRead} {
			around := parseCondition(fmt.Sprintf("(!(ActionMatches{'*/write'})) OR (%s)", text)).eval(action)
			if around == no && c.eval(action) != no || around == yes && action == assignWrite && !strings.Contains(strings.ToLower(text), "actionmatches") {
				t.Errorf("in a block %q is %d for %s", text, around, action)
			}
		}
	})
}
