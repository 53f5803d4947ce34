package rbac

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

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
		{"!ActionMatches{'*/blobs/*' } OR @Resource[a/b:tags:Name<$it's(x)$>] StringEquals 'it'", yes, yes, maybe},
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
		p := conditionOf(c.text)
		for action, want := range map[azure.Action]truth{assignWrite: c.write, assignDelete: c.remove, blobRead: c.blob} {
			if got := p.eval(&Request{Action: action}); got != want {
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
			c := conditionOf(e.Condition)
			if err := CheckCondition(e.Condition); err != nil {
				t.Errorf("%s: %v", r.Name, err)
			}
			open := 0
			for _, a := range append(e.Actions, e.DataActions...) {
				if c.eval(&Request{Action: azure.Action(a)}) == maybe {
					open++
				}
			}
			if about := strings.Contains(strings.ToLower(e.Condition), "actionmatches"); open == 0 || about != (c.eval(&Request{Action: "Microsoft.Other/things/read"}) == yes) {
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

// TestComparisons has each operator on attributes, and what the documentation says of them.
func TestComparisons(t *testing.T) {
	const id, other = "7f951dda-4ed3-4680-a7ca-43fe172d538d", "8311e382-0749-4cb8-b61a-304f252e45ec"
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := Attributes{
		Request: map[string]any{"subOperation": "Blob.List", "s": "abcd", "quote": "it's", "star": "a*c?", "empty": "", "list": []string{"red", "blue"}, "none": []string{},
			"mixed": []any{"red", 1, true}, "n": 10, "numbers": []any{10, 20}, "digits": "10", "nothing": nil, "role": azure.MustGUID(id), "ids": []string{id, other}, "umlaut": "Äpfel"},
		Resource: map[string]any{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$key_case_sensitive$>": "Cascade",
			"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&": []string{"Project", "Program"}, "on": true, "off": "FALSE",
			"version": "2022-06-01T23:38:32.8883645Z", "at": noon},
	}
	for text, want := range map[string]truth{
		// one value and one value
		"@Request[s] StringEquals 'abcd'":                                     yes,
		"@request[S] stringequals 'abcd'":                                     yes,
		"@Request[s] StringEquals 'ABCD'":                                     no,
		"@Request[s] StringEqualsIgnoreCase 'ABCD'":                           yes,
		"@Request[umlaut] StringEqualsIgnoreCase 'äPFEL'":                     yes,
		"@Request[s] StringNotEquals 'abcd'":                                  no,
		"@Request[s] StringNotEquals 'x'":                                     yes,
		"@Request[s] StringNotEqualsIgnoreCase 'ABCD'":                        no,
		"@Request[s] StringStartsWith 'ab'":                                   yes,
		"@Request[s] StringStartsWith 'Ab'":                                   no,
		"@Request[s] StringStartsWithIgnoreCase 'Ab'":                         yes,
		"@Request[umlaut] StringStartsWithIgnoreCase 'ä'":                     yes,
		"@Request[s] StringStartsWith 'abcde'":                                no,
		"@Request[s] StringNotStartsWith 'ab'":                                no,
		"@Request[s] StringNotStartsWithIgnoreCase 'AB'":                      no,
		"@Request[empty] StringStartsWith ''":                                 yes,
		"@Request[empty] StringEquals ''":                                     yes,
		"@Request[quote] StringEquals 'it\\'s'":                               yes,
		"@Request[s] StringEquals {'abcd'}":                                   yes,
		"'abcd' StringEquals @Request[s]":                                     yes,
		"'x' StringEquals 'x'":                                                yes,
		"@Request[s] StringEquals @Request[s]":                                yes,
		"@Request[n] NumericEquals 10":                                        yes,
		"@Request[n] NumericNotEquals 10":                                     no,
		"@Request[n] NumericLessThan 10":                                      no,
		"@Request[n] NumericLessThanEquals 10":                                yes,
		"@Request[n] NumericGreaterThan -10":                                  yes,
		"@Request[n] NumericGreaterThanEquals 11":                             no,
		"@Request[digits] NumericEquals 10":                                   yes,
		"@Request[role] GuidEquals " + id:                                     yes,
		"@Request[role] GuidEquals 7F951DDA4ED34680A7CA43FE172D538D":          yes,
		"@Request[role] GuidEquals '" + id + "'":                              yes,
		"@Request[role] GuidNotEquals " + other:                               yes,
		"@Request[role] StringEquals '" + id + "'":                            yes,
		"@Resource[on] BoolEquals true":                                       yes,
		"@Resource[on] boolequals TRUE":                                       yes,
		"@Resource[off] BoolEquals false":                                     yes,
		"@Resource[off] BoolNotEquals false":                                  no,
		"@Resource[version] DateTimeEquals '2022-06-01T23:38:32.8883645Z'":    yes,
		"@Resource[version] DateTimeEquals '2022-06-01T23:38:32.8883644Z'":    no,
		"@Resource[version] DateTimeNotEquals '2022-06-01T00:00:00.0Z'":       yes,
		"@Resource[version] DateTimeLessThan '2022-06-02'":                    yes,
		"@Resource[version] DateTimeGreaterThan '2022-06-01T00:00:00.0Z'":     yes,
		"@Resource[version] DateTimeLessThanEquals '9999-12-31'":              yes,
		"@Resource[at] DateTimeGreaterThanEquals '2026-03-01T13:00:00+01:00'": yes,
		"@Environment[UtcNow] DateTimeGreaterThan '2026-03-01T11:59:59Z'":     yes,
		"@Environment[utcNow] DateTimeLessThan '2026-03-01T12:00:00'":         no,
		// wildcards: the documented examples first
		"@Request[s] StringLike 'a*c?'":           yes,
		"@Request[s] StringLike 'A*C?'":           no,
		"@Request[s] StringLike 'a*c'":            no,
		"@Request[s] StringLikeIgnoreCase 'A*C?'": yes,
		"@Request[s] StringNotLike 'a*'":          no,
		"@Request[s] StringNotLikeIgnoreCase 'B'": yes,
		"@Request[star] StringLike 'a\\*c\\?'":    yes,
		"@Request[s] StringLike 'a\\*c\\?'":       no,
		"@Request[star] StringLike '*\\**'":       yes,
		"@Request[s] StringLike '****'":           yes,
		"@Request[s] StringLike '?????'":          no,
		"@Request[empty] StringLike '*'":          yes,
		"@Request[empty] StringLike '?'":          no,
		"@Request[umlaut] StringLike '?pfel'":     yes,
		// one value is wanted where there is no quantifier
		"@Request[list] StringEquals 'red'":                 no,
		"@Request[list] StringNotEquals 'red'":              no,
		"@Request[none] StringNotEquals 'red'":              no,
		"@Request[s] ForAnyOfAnyValues:StringEquals 'abcd'": yes,
		// sets: the documented examples first
		"{'red', 'blue'} ForAnyOfAnyValues:StringEquals {'blue', 'green'}":                                                                              yes,
		"{'red', 'blue'} ForAnyOfAnyValues:StringEquals {'orange', 'green'}":                                                                            no,
		"{'red', 'blue'} ForAllOfAnyValues:StringEquals {'orange', 'red', 'blue'}":                                                                      yes,
		"{'red', 'blue'} ForAllOfAnyValues:StringEquals {'red', 'green'}":                                                                               no,
		"{10, 20} ForAnyOfAllValues:NumericLessThan {15, 18}":                                                                                           yes,
		"{10, 20} ForAllOfAllValues:NumericLessThan {5, 15, 18}":                                                                                        no,
		"{10, 20} ForAllOfAllValues:NumericLessThan {25, 30}":                                                                                           yes,
		"{10, 20} ForAllOfAllValues:NumericLessThan {15, 25, 30}":                                                                                       no,
		"@Request[list] FORANYOFANYVALUES:StringEqualsIgnoreCase {'BLUE'}":                                                                              yes,
		"@Request[list] ForAnyOfAllValues:StringNotEquals {'red','blue'}":                                                                               no,
		"@Request[list] ForAnyOfAllValues:StringNotEquals {'red','green'}":                                                                              yes,
		"@Request[list] ForAllOfAnyValues:StringLike{'r*','b*'}":                                                                                        yes,
		"@Request[list] ForAllOfAllValues:StringNotLike{'g*','o*'}":                                                                                     yes,
		"@Request[numbers] ForAllOfAnyValues:NumericGreaterThanEquals {20, 10}":                                                                         yes,
		"@Request[ids] ForAllOfAnyValues:GuidEquals {" + id + "," + other + "}":                                                                         yes,
		"@Request[role] ForAnyOfAllValues:GuidNotEquals {" + other + "}":                                                                                yes,
		"@Request[list] ForAnyOfAnyValues:StringEquals @Request[list]":                                                                                  yes,
		"@Request[list] ForAllOfAllValues:StringEquals @Request[list]":                                                                                  no,
		"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project', 'Program'}": yes,
		// of no values all are right, and none
		"@Request[none] ForAllOfAnyValues:StringEquals {'red'}":    yes,
		"@Request[none] ForAllOfAllValues:StringEquals {'red'}":    yes,
		"@Request[none] ForAnyOfAnyValues:StringNotEquals {'red'}": no,
		"@Request[none] ForAnyOfAllValues:StringNotEquals {'red'}": no,
		"{'red'} ForAllOfAllValues:StringEquals @Request[none]":    yes,
		"{'red'} ForAllOfAnyValues:StringEquals @Request[none]":    no,
		// the key of a tag has a case, nothing else in a name has
		"@Resource[MICROSOFT.storage/storageAccounts/blobServices/containers/blobs/tags:Project<$KEY_case_sensitive$>] StringEquals 'Cascade'": yes,
		"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:project<$key_case_sensitive$>] StringEquals 'Cascade'": no,
		// what is missing, or of another kind, meets nothing
		"@Request[missing] StringEquals 'x'":                     no,
		"@Request[missing] StringNotEquals 'x'":                  no,
		"NOT @Request[missing] StringEquals 'x'":                 yes,
		"@Request[missing] ForAllOfAnyValues:StringEquals {'x'}": no,
		"'x' StringEquals @Request[nothing]":                     no,
		"@Request[missing] StringEquals @Principal[unknown]":     no,
		"@Request[s] NumericNotEquals 1":                         no,
		"@Request[s] GuidNotEquals " + id:                        no,
		"@Request[s] BoolNotEquals true":                         no,
		"@Request[s] DateTimeNotEquals '2026-01-01'":             no,
		"@Request[n] StringNotEquals 'x'":                        no,
		"@Request[n] GuidNotEquals " + id:                        no,
		"@Resource[on] NumericEquals 1":                          no,
		"@Resource[at] StringEquals 'x'":                         no,
		"@Request[mixed] ForAnyOfAnyValues:StringEquals {'red'}": yes,
		"@Request[mixed] ForAllOfAnyValues:StringEquals {'red'}": no,
		// what is not known is open
		"@Principal[x] StringEquals 'x'":                         maybe,
		"NOT @Principal[x] StringEquals 'x'":                     maybe,
		"@Principal[x] StringEquals 'x' OR 'a' StringEquals 'a'": yes,
		"@Environment[isPrivateLink] BoolEquals true":            maybe,
		"Exists @Principal[x]":                                   maybe,
		// functions
		"Exists @Request[s]":                     yes,
		"Exists @Request[none]":                  yes,
		"Exists @Request[missing]":               no,
		"NOT Exists @Request[missing]":           yes,
		"Exists @Request[nothing]":               no,
		"SubOperationMatches{'Blob.List'}":       yes,
		"SubOperationMatches{'blob.*'}":          yes,
		"SubOperationMatches{'Blob.Write.Tier'}": no,
		"@Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'blob.list'}": yes,
	} {
		r := Request{Action: blobRead, At: noon, Attributes: a}
		if err := CheckCondition(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := conditionOf(text).eval(&r); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
		if got := naiveHolds(text, r); got != want {
			t.Errorf("%s: the naive implementation says %d, want %d", text, got, want)
		}
	}
}

// TestOpenWithoutAttributes: where a request brings none, every comparison is open, and so is the time of a question
// about every time.
func TestOpenWithoutAttributes(t *testing.T) {
	for _, text := range []string{"@Request[x] StringEquals 'x'", "Exists @Resource[x]", "SubOperationMatches{'x'}", "@Environment[UtcNow] DateTimeLessThan '2030-01-01'"} {
		if got := conditionOf(text).eval(&Request{}); got != maybe {
			t.Errorf("%s is %d", text, got)
		}
	}
	long := Request{Attributes: Attributes{Request: map[string]any{"x": strings.Repeat("a", maxValue+1)}}}
	if got := conditionOf("@Request[x] StringLike 'a*'").eval(&long); got != no {
		t.Errorf("a value without bound is %d", got)
	}
}

// TestCheckCondition has what is no condition, and where the error is.
func TestCheckCondition(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		delegation:                    "",
		" \n":                         "",
		"ActionMatches{'*/read'} AND": "character 28: a comparison is wanted",
		"ActionMatches{'a'} OR ActionMatches{'b'} AND ActionMatches{'c'}": "character 42: AND beside OR needs parentheses",
		"(ActionMatches{'a'}":            "character 20: a parenthesis is not closed",
		"ActionMatches{'a'})":            "character 19: nothing may follow",
		"ActionMatches{'a'":              "character 14: \"{\" is not closed",
		"ActionMatches{}":                "one pattern is wanted",
		"ActionMatches{a}":               "one pattern is wanted",
		"ActionMatches{'a','b'}":         "one pattern is wanted",
		"ActionMatches":                  "one pattern is wanted",
		"SubOperationMatches 'a'":        "one pattern is wanted",
		"Exists 'a'":                     "an attribute is wanted",
		"@Request StringEquals 'a'":      "an attribute or a value is wanted",
		"@Thing[x] StringEquals 'a'":     "an attribute or a value is wanted",
		"@Request[] StringEquals 'a'":    "an attribute or a value is wanted",
		"@Request[a b] StringEquals 'a'": "Request attribute a b is not valid",
		"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$>] StringEquals 'a'": "Resource attribute Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$> is not valid",
		"@Request[x]":            "\"\" is no operator",
		"@Request[x] Equals 'a'": "\"Equals\" is no operator",
		"@Request[x] ForSomeOfAnyValues:StringEquals 'a'":                          "is no operator",
		"@Request[x] ForAnyOfAnyValues:StringStartsWith {'a'}":                     "is no operator",
		"@Request[x] ForAnyOfAnyValues:BoolEquals {true}":                          "is no operator",
		"@Request[x] StringEquals":                                                 "an attribute or a value is wanted",
		"@Request[x] StringEquals a":                                               "a value does not suit the operator",
		"@Request[x] StringEquals {'a','b'}":                                       "a value does not suit the operator",
		"@Request[x] StringEquals {'a',}":                                          "an attribute or a value is wanted",
		"@Request[x] StringEquals {'a' 'b'}":                                       "an attribute or a value is wanted",
		"@Request[x] StringEquals {}":                                              "an attribute or a value is wanted",
		"@Request[x] NumericEquals 1.5":                                            "a value does not suit the operator",
		"@Request[x] NumericEquals '1'":                                            "a value does not suit the operator",
		"@Request[x] BoolEquals maybe":                                             "a value does not suit the operator",
		"@Request[x] GuidEquals {7f951dda}":                                        "a value does not suit the operator",
		"@Request[x] DateTimeEquals 'today'":                                       "a value does not suit the operator",
		"@Request[x] StringEquals 'a' 'b'":                                         "AND or OR is wanted",
		"{'a'":                                                                     "is not closed",
		strings.Repeat("(", 101) + "ActionMatches{'a'}" + strings.Repeat(")", 101): "nested more than 100 deep",
		"ActionMatches{'a'}" + strings.Repeat(" ", maxCondition):                   "longer than 8 KB",
	} {
		err := CheckCondition(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.100q: %v, want %q", text, err, want)
		}
	}
}

// TestCompileOnce shares what is compiled for a text, as long as somebody has it.
func TestCompileOnce(t *testing.T) {
	const text = "@Request[TestCompileOnce] StringEquals 'x'"
	c := conditionOf(text)
	if conditionOf("  "+text+"\n") != c {
		t.Error("one text is compiled twice")
	}
	runtime.KeepAlive(c)
	for range 10 {
		runtime.GC()
	}
	for range 1000 { // cleanups run some time after a collection
		if _, there := compiled.Load(text); !there {
			return
		}
		runtime.Gosched()
		runtime.GC()
	}
	t.Error("what nobody has is kept")
}

// conditionMaker makes random conditions and attributes from one small vocabulary.
type conditionMaker struct{ *rand.Rand }

func (m conditionMaker) of(s ...string) string {
	w := s[m.IntN(len(s))]
	if m.IntN(4) == 0 && !strings.ContainsAny(w, "'<") {
		w = strings.ToLower(w)
	}
	return w
}

func (m conditionMaker) space() string { return []string{"", " ", "\n\t"}[m.IntN(3)] }

var (
	attributeNames = []string{"@Request[Microsoft.A/x:Name]", "@Request[Names]", "@Resource[Microsoft.A/x/tags:Key<$key_case_sensitive$>]", "@Resource[Microsoft.A/x/tags:KEY<$key_case_sensitive$>]",
		"@Resource[Count]", "@Resource[On]", "@Principal[Id]", "@Environment[UtcNow]", "@Environment[At]", "@Request[subOperation]"}
	stringOperators = []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLikeIgnoreCase", "StringNotLikeIgnoreCase"}
	prefixOperators = []string{"StringStartsWith", "StringNotStartsWith", "StringStartsWithIgnoreCase", "StringNotStartsWithIgnoreCase"}
	orders          = []string{"Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"}
	randomTexts     = []string{"'a'", "'A'", "'ab'", "'a*'", "'?b'", "'a\\*'", "''", "'it\\'s'", "'*'"}
	randomNumbers   = []string{"0", "1", "2", "-1"}
	randomGUIDs     = []string{"01000000-0000-0000-0000-000000000001", "0100000000000000000000000000000A"}
	randomTimes     = []string{"'2026-03-01T12:00:00Z'", "'2026-03-01'", "'2026-03-01T12:00:00.0000001Z'"}
)

// comparison is a random one that is well formed.
func (m conditionMaker) comparison() string {
	many := m.IntN(2) == 0
	var op string
	var values []string
	switch kind := m.IntN(5); {
	case kind == 0 && many:
		op, values = m.of("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"), randomNumbers
	case kind == 0:
		op, values = "Numeric"+m.of(orders...), randomNumbers
	case kind == 1:
		op, values = m.of("GuidEquals", "GuidNotEquals"), randomGUIDs
	case kind == 2 && !many:
		op, values = "DateTime"+m.of(orders...), randomTimes
	case kind == 3 && !many:
		op, values = m.of("BoolEquals", "BoolNotEquals"), []string{"true", "False"}
	case kind == 4 && !many:
		op, values = m.of(prefixOperators...), randomTexts
	default:
		op, values = m.of(stringOperators...), randomTexts
	}
	if many {
		op = m.of("ForAnyOfAnyValues", "ForAllOfAnyValues", "ForAnyOfAllValues", "ForAllOfAllValues") + ":" + op
	}
	return m.side(many, values) + " " + op + " " + m.side(many, values)
}

func (m conditionMaker) side(many bool, values []string) string {
	if m.IntN(2) == 0 {
		return m.of(attributeNames...)
	}
	if !many {
		return values[m.IntN(len(values))]
	}
	var set []string
	for range 1 + m.IntN(3) {
		set = append(set, values[m.IntN(len(values))])
	}
	return "{" + strings.Join(set, ","+m.space()) + m.space() + "}"
}

func (m conditionMaker) condition(depth int) string {
	kind := m.IntN(8)
	if depth == 0 {
		kind = m.IntN(4)
	}
	switch kind {
	case 0:
		return m.of("ActionMatches") + m.space() + "{" + m.space() + "'" + m.of("*", "*/write", "Microsoft.A/*", "Microsoft.A/x/read", "Microsoft.B/*") + m.space() + "'" + m.space() + "}"
	case 1:
		return m.of("SubOperationMatches{'a*'}", "Exists @Request[Names]", "NOT Exists @Resource[Count]", "Exists @Principal[Id]", "unheard of")
	case 2, 3:
		return m.comparison()
	case 4:
		return m.of("!", "NOT ") + m.space() + "(" + m.condition(depth-1) + m.space() + ")"
	case 5:
		return "(" + m.space() + m.condition(depth-1) + ")"
	}
	parts := []string{"(" + m.condition(depth-1) + ")"}
	for range 1 + m.IntN(3) {
		parts = append(parts, "("+m.condition(depth-1)+m.space()+")")
	}
	op := [][]string{{"AND", "&&"}, {"OR", "||"}}[kind-6]
	return strings.Join(parts, m.space()+m.of(op...)+m.space())
}

// attributes are random: of each source none, some or all known.
func (m conditionMaker) attributes() Attributes {
	var a Attributes
	for _, source := range []*map[string]any{&a.Request, &a.Resource, &a.Principal, &a.Environment} {
		if m.IntN(4) > 0 {
			*source = map[string]any{}
		}
	}
	text := func() any { return []any{"a", "ab", "A", "it's", "", "a*"}[m.IntN(6)] }
	list := func() any { return [][]string{{}, {"a"}, {"a", "A"}, {"ab", "a*"}}[m.IntN(4)] }
	m.put(a.Request, "Microsoft.A/x:Name", text())
	m.put(a.Request, "names", list())
	m.put(a.Request, "subOperation", text())
	m.put(a.Resource, "microsoft.a/x/tags:Key<$key_case_sensitive$>", []any{text(), list(), 1}[m.IntN(3)])
	m.put(a.Resource, "count", []any{0, 1, "1", []any{1, 2}}[m.IntN(4)])
	m.put(a.Resource, "On", []any{true, false, "true"}[m.IntN(3)])
	m.put(a.Principal, "id", []any{azure.GUID{0: 1, 15: 1}, "0100000000000000000000000000000a", []string{randomGUIDs[0]}}[m.IntN(3)])
	m.put(a.Environment, "At", []any{time.Date(2026, 3, 1, 12, 0, 0, 100, time.UTC), "2026-03-01T00:00:00Z"}[m.IntN(2)])
	return a
}

func (m conditionMaker) put(source map[string]any, name string, v any) {
	if source != nil && m.IntN(4) > 0 {
		source[name] = v
	}
}

// TestRandomConditions asks both implementations.
func TestRandomConditions(t *testing.T) {
	m := conditionMaker{rand.New(rand.NewPCG(3, 3))}
	var seen [3]int
	cases := 50_000
	if underRace {
		cases = 10_000
	}
	for range cases {
		text := m.condition(m.IntN(4))
		if len(text) > maxCondition {
			continue
		}
		r := Request{Action: azure.Action(m.of(everyAction...)), Attributes: m.attributes()}
		if m.IntN(2) == 0 {
			r.At = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		}
		want := naiveHolds(text, r)
		seen[want]++
		if got := conditionOf(text).eval(&r); got != want {
			t.Fatalf("%q is %d for %+v, want %d", text, got, r, want)
		}
		if err := CheckCondition(text); (err == nil) == strings.Contains(text, "unheard of") {
			t.Fatalf("%q: %v", text, err)
		}
	}
	if min(seen[no], seen[maybe], seen[yes]) < cases/10 {
		t.Errorf("truths %v", seen)
	}
}

// FuzzCondition puts arbitrary text where a condition compares attributes: the blocks around it keep their meaning, or
// nothing is known; and what is checked to be a condition both implementations read alike.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{delegation, "@Resource[x] StringEquals 'y'", "'", "{[('", "x OR y AND z", "Exists @Request[a] AND NOT SubOperationMatches{'b'}",
		"{1, 2} ForAllOfAnyValues:NumericEquals {3}", "@Environment[UtcNow] DateTimeLessThan '2026-01-01'", "'a\\*' StringLike 'a\\\\*'"} {
		f.Add(text)
	}
	a := Attributes{Request: map[string]any{"a": "b"}, Resource: map[string]any{"x": "y"}, Principal: map[string]any{}, Environment: map[string]any{}}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCondition(text)
		open := c.eval(&Request{Action: assignWrite})
		if err == nil && len(text) < 1000 && isASCII(text) {
			r := Request{Action: assignWrite, Attributes: a, At: time.Unix(1, 0)}
			if got, want := c.eval(&r), naiveHolds(text, r); got == maybe || got != want {
				t.Errorf("%q is %d, the naive implementation says %d", text, got, want)
			}
		}
		around := fmt.Sprintf("(!(ActionMatches{'*/write'})) OR (%s)", text)
		if len(around) > maxCondition {
			return
		}
		outer, outerErr := parseCondition(around)
		if err == nil && outerErr != nil && !strings.Contains(outerErr.Why, "deep") {
			t.Errorf("%q is a condition, in a block it is not: %v", text, outerErr)
		}
		if got := outer.eval(&Request{Action: blobRead}); outerErr == nil && got != yes {
			t.Errorf("a block with %q is %d for what it is not about", text, got)
		}
		if got := outer.eval(&Request{Action: assignWrite}); err == nil && outerErr == nil && got != open {
			t.Errorf("%q is %d in a block, alone %d", text, got, open)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || r < ' ' && !strings.ContainsRune(" \t\r\n", r) })
}
