package arm

import (
	"strings"

	"aksid/internal/azure"
)

// Term is one comparison of a $filter, or a call such as atScope(): Field is then the function's name, Op "()".
type Term struct{ Field, Op, Value string }

// Filter reads the query's $filter: comparisons and calls joined by "and", which is what ARM's collections take.
func (c *Call) Filter() ([]Term, *azure.Error) {
	text := query(c.Request, "$filter")
	terms, ok := parseFilter(text)
	if !ok {
		return nil, azure.UnsupportedFilter.Format(azure.Fields{"filter": text})
	}
	return terms, nil
}

// BadFilter refuses a filter with a term that the collection does not know.
func (c *Call) BadFilter() *azure.Error {
	return azure.UnsupportedFilter.Format(azure.Fields{"filter": query(c.Request, "$filter")})
}

func parseFilter(s string) ([]Term, bool) {
	var terms []Term
	if inner, open := strings.CutPrefix(strings.TrimSpace(s), "("); open { // as Terraform writes it
		if s, open = strings.CutSuffix(inner, ")"); !open {
			return nil, false
		}
	}
	for s = strings.TrimSpace(s); s != ""; {
		t, rest, ok := parseTerm(s)
		if !ok {
			return nil, false
		}
		terms = append(terms, t)
		if s = strings.TrimSpace(rest); s == "" {
			break
		}
		word, after, _ := strings.Cut(s, " ")
		if !strings.EqualFold(word, "and") || strings.TrimSpace(after) == "" {
			return nil, false
		}
		s = strings.TrimSpace(after)
	}
	return terms, true
}

func parseTerm(s string) (Term, string, bool) {
	end := strings.IndexAny(s, " (")
	if end <= 0 {
		return Term{}, "", false
	}
	t := Term{Field: s[:end]}
	if s[end] == '(' {
		rest := strings.TrimSpace(s[end+1:])
		if inner, ok := strings.CutPrefix(rest, ")"); ok {
			t.Op = "()"
			return t, inner, true
		}
		value, rest, ok := parseValue(rest)
		rest = strings.TrimSpace(rest)
		if !ok || !strings.HasPrefix(rest, ")") {
			return Term{}, "", false
		}
		t.Op, t.Value = "()", value
		return t, rest[1:], true
	}
	op, rest, _ := strings.Cut(strings.TrimSpace(s[end:]), " ")
	switch t.Op = strings.ToLower(op); t.Op {
	case "eq", "ne", "ge", "gt", "le", "lt":
	default:
		return Term{}, "", false
	}
	value, rest, ok := parseValue(strings.TrimSpace(rest))
	t.Value = value
	return t, rest, ok
}

// parseValue reads a quoted text, in which two quotes are one, or a bare word.
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, "'") {
		end := strings.IndexAny(s, " )")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
		} else if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
		} else {
			return b.String(), s[i+1:], true
		}
	}
	return "", "", false
}
