package rbac

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
)

// The naive implementation of conditions reads the text anew for every question and answers on the way.
type naiveReader struct {
	tokens []string
	r      Request
}

var (
	naiveTokens = regexp.MustCompile(`&&|\|\||[()!]|@\w+\s*\[[^\]]*\]|\{(?:'(?:\\.|[^'])*'|[^'}])*\}|'(?:\\.|[^'])*'|[^\s()!{}'@&|]+|.`)
	naiveKeyed  = regexp.MustCompile(`(?i)^([^:]*:)(.*)(<\$key_case_sensitive\$>)$`)
	naiveItems  = regexp.MustCompile(`'(?:\\.|[^'])*'|[^\s,{}]+`)
)

func naiveHolds(text string, r Request) (t truth) {
	if strings.TrimSpace(text) == "" {
		return yes
	}
	defer func() {
		if recover() != nil {
			t = maybe
		}
	}()
	n := naiveReader{r: r}
	for _, token := range naiveTokens.FindAllString(text, -1) {
		if strings.TrimSpace(token) != "" {
			n.tokens = append(n.tokens, token)
		}
	}
	t = n.chain()
	if len(n.tokens) > 0 {
		panic("something follows")
	}
	return t
}

func (n *naiveReader) is(words ...string) bool {
	return len(n.tokens) > 0 && slices.Contains(words, strings.ToLower(n.tokens[0]))
}

func (n *naiveReader) take() string {
	token := n.tokens[0]
	n.tokens = n.tokens[1:]
	return token
}

func (n *naiveReader) chain() truth {
	all, ands, ors := []truth{n.term()}, 0, 0
	for n.is("and", "&&", "or", "||") {
		if n.is("and", "&&") {
			ands++
		} else {
			ors++
		}
		n.take()
		all = append(all, n.term())
	}
	switch {
	case ands > 0 && ors > 0:
		panic("ambiguous")
	case ors > 0:
		return slices.Max(all)
	}
	return slices.Min(all)
}

func (n *naiveReader) term() truth {
	switch {
	case n.is("!", "not"):
		n.take()
		return map[truth]truth{yes: no, maybe: maybe, no: yes}[n.term()]
	case n.is("("):
		n.take()
		t := n.chain()
		if n.take() != ")" {
			panic("not closed")
		}
		return t
	case n.is("actionmatches"):
		n.take()
		if naiveMatch(strings.ToLower(n.pattern()), strings.ToLower(string(n.r.Action))) {
			return yes
		}
		return no
	case n.is("suboperationmatches"):
		n.take()
		pattern := n.pattern()
		names, t := n.values("@Request[subOperation]")
		if t == yes && !naiveMatch(strings.ToLower(pattern), strings.ToLower(names[0].(string))) {
			return no
		}
		return t
	case n.is("exists"):
		n.take()
		_, t := n.values(n.take())
		return t
	}
	return n.comparison()
}

func (n *naiveReader) pattern() string {
	items := naiveItems.FindAllString(n.take(), -1)
	if len(items) != 1 || items[0][0] != '\'' {
		panic("no pattern")
	}
	return strings.TrimSpace(strings.Trim(items[0], "'"))
}

// comparison takes three words; other than three are not understood, and neither is an operator that is unheard of.
func (n *naiveReader) comparison() truth {
	var words []string
	for len(n.tokens) > 0 && !n.is("and", "&&", "or", "||", "(", ")", "!") {
		words = append(words, n.take())
	}
	if len(words) == 0 {
		panic("nothing to compare")
	}
	if len(words) != 3 {
		return maybe
	}
	left, t := n.values(words[0])
	right, u := n.values(words[2])
	if t == no || u == no {
		return no
	}
	if t == maybe || u == maybe {
		return maybe
	}
	quantifier, op, many := strings.Cut(strings.ToLower(words[1]), ":")
	if !many {
		op = quantifier
		if len(left) != 1 || len(right) != 1 {
			return no
		}
		quantifier = "foranyofanyvalues"
	}
	met := 0 // how many of the left are right
	for _, a := range left {
		hits := 0
		for _, b := range right {
			if naiveCompare(op, a, b) {
				hits++
			}
		}
		if strings.HasSuffix(quantifier, "ofallvalues") && hits == len(right) || strings.HasSuffix(quantifier, "ofanyvalues") && hits > 0 {
			met++
		}
	}
	if strings.HasPrefix(quantifier, "forall") && met == len(left) || strings.HasPrefix(quantifier, "forany") && met > 0 {
		return yes
	}
	return no
}

// values are those of a side.
func (n *naiveReader) values(side string) ([]any, truth) {
	if side[0] != '@' {
		var all []any
		for _, s := range naiveItems.FindAllString(side, -1) {
			if s[0] == '\'' {
				s = strings.ReplaceAll(s[1:len(s)-1], `\'`, "'")
			}
			all = append(all, s)
		}
		return all, yes
	}
	from, name, _ := strings.Cut(strings.TrimSuffix(side[1:], "]"), "[")
	name = strings.TrimSpace(name)
	source := map[string]map[string]any{"request": n.r.Attributes.Request, "resource": n.r.Attributes.Resource,
		"principal": n.r.Attributes.Principal, "environment": n.r.Attributes.Environment}[strings.ToLower(strings.TrimSpace(from))]
	for key, v := range source {
		if naiveName(key) == naiveName(name) && v != nil {
			return naiveList(v), yes
		}
	}
	if strings.EqualFold(from, "environment") && strings.EqualFold(name, "utcnow") {
		if n.r.At.IsZero() {
			return nil, maybe
		}
		return []any{n.r.At}, yes
	}
	if source == nil {
		return nil, maybe
	}
	return nil, no
}

// naiveName is lower-cased but for the key of a tag.
func naiveName(name string) string {
	m := naiveKeyed.FindStringSubmatch(name)
	if m == nil {
		return strings.ToLower(name)
	}
	return strings.ToLower(m[1]) + m[2] + strings.ToLower(m[3])
}

func naiveList(v any) []any {
	switch v := v.(type) {
	case []string:
		all := []any{}
		for _, e := range v {
			all = append(all, e)
		}
		return all
	case []any:
		return v
	}
	return []any{v}
}

// naiveText is a value for an operator, as a text; false where the operator takes no such values.
func naiveText(op string, v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), strings.HasPrefix(op, "numeric")
	case bool:
		return strconv.FormatBool(v), strings.HasPrefix(op, "bool")
	case azure.GUID:
		return v.String(), strings.HasPrefix(op, "guid") || strings.HasPrefix(op, "string")
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.0000000Z"), strings.HasPrefix(op, "datetime")
	}
	return fmt.Sprint(v), false
}

// naiveCompare applies an operator to two values; what it cannot take is not met.
func naiveCompare(op string, x, y any) bool {
	a, ok := naiveText(op, x)
	b, ok2 := naiveText(op, y)
	if !ok || !ok2 {
		return false
	}
	op, fold := strings.CutSuffix(op, "ignorecase")
	if fold {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	not := strings.Contains(op, "not")
	op = strings.Replace(op, "not", "", 1)
	var met bool
	switch op {
	case "stringequals":
		met = a == b
	case "stringstartswith":
		met = strings.HasPrefix(a, b)
	case "stringlike":
		met = naiveLike(b).MatchString(a)
	case "boolequals":
		a, b = strings.ToLower(a), strings.ToLower(b)
		met, ok = a == b, (a == "true" || a == "false") && (b == "true" || b == "false")
	case "guidequals":
		x, err := azure.ParseGUID(a)
		y, err2 := azure.ParseGUID(b)
		met, ok = x == y, err == nil && err2 == nil
	default:
		met, ok = naiveOrder(op, a, b)
	}
	return ok && met != not
}

func naiveOrder(op, a, b string) (met, ok bool) {
	var order int
	if rest, dates := strings.CutPrefix(op, "datetime"); dates {
		x, err := naiveTime(a)
		y, err2 := naiveTime(b)
		if err != nil || err2 != nil {
			return false, false
		}
		op, order = rest, x.Compare(y)
	} else {
		op = strings.TrimPrefix(op, "numeric")
		x, err := strconv.Atoi(a)
		y, err2 := strconv.Atoi(b)
		if err != nil || err2 != nil {
			return false, false
		}
		order = x - y
	}
	switch op {
	case "equals":
		return order == 0, true
	case "lessthan":
		return order < 0, true
	case "lessthanequals":
		return order <= 0, true
	case "greaterthan":
		return order > 0, true
	case "greaterthanequals":
		return order >= 0, true
	}
	panic("unknown operator " + op)
}

func naiveTime(s string) (time.Time, error) {
	if len(s) == len("2006-01-02") {
		s += "T00:00:00Z"
	}
	return time.Parse(time.RFC3339Nano, s)
}

// naiveLike is the pattern as a regular expression.
func naiveLike(pattern string) *regexp.Regexp {
	b := "(?s)^"
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == '*':
			b += ".*"
		case c == '?':
			b += "."
		case c == '\\' && i+1 < len(runes) && strings.ContainsRune(`*?\`, runes[i+1]):
			i++
			b += regexp.QuoteMeta(string(runes[i]))
		default:
			b += regexp.QuoteMeta(string(c))
		}
	}
	return regexp.MustCompile(b + "$")
}
