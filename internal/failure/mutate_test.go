package failure

import (
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// wrappers are what texts go through on their way to whoever reads them. None of them may change what is read.
var wrappers = []struct {
	name string
	wrap func(*rand.Rand, string) string
}{
	{"json log", func(_ *rand.Rand, s string) string {
		return `{"level":"error","ts":"2026-01-02T03:04:05Z","msg":"failed","error":` + quote(s) + `}` + "\n"
	}},
	{"json in json in json", func(_ *rand.Rand, s string) string {
		return `{"log":` + quote(`{"message":`+quote(`{"err":`+quote(s)+`}`)+`}`) + `,"stream":"stderr"}`
	}},
	{"logfmt", func(_ *rand.Rand, s string) string {
		return `time="2026-01-02T03:04:05Z" level=error msg="failed" err=` + strconv.Quote(s)
	}},
	{"klog", func(_ *rand.Rand, s string) string {
		return "E0102 03:04:05.678901       1 reflector.go:1] " + s + "\nI0102 03:04:06.678901       1 other.go:2] all is well\n"
	}},
	{"colours", func(r *rand.Rand, s string) string {
		return everyWord(r, s, func(w string) string { return "\x1b[31m" + w + "\x1b[0m" })
	}},
	{"escaped colours", func(r *rand.Rand, s string) string {
		return everyWord(r, s, func(w string) string { return `\u001b[1;31m` + w + `\u001b[0m` })
	}},
	{"pipeline", func(_ *rand.Rand, s string) string { return eachLine(s, "2026-01-02T03:04:05.1234567Z ") }},
	{"pipeline error", func(_ *rand.Rand, s string) string { return "2026-01-02T03:04:05.1234567Z ##[error]" + s }},
	{"container log", func(_ *rand.Rand, s string) string { return eachLine(s, "2026-01-02T03:04:05.123456789Z stderr F ") }},
	{"kubectl prefix", func(_ *rand.Rand, s string) string { return eachLine(s, "[pod/a-5b/main] ") }},
	{"markdown quote", func(_ *rand.Rand, s string) string { return eachLine(s, "> ") }},
	{"code fence", func(_ *rand.Rand, s string) string { return "```\n" + s + "\n```\n" }},
	{"html", func(_ *rand.Rand, s string) string { return html.EscapeString(s) }},
	{"html twice", func(_ *rand.Rand, s string) string { return html.EscapeString(html.EscapeString(s)) }},
	{"typographic quotes", func(_ *rand.Rand, s string) string {
		return strings.NewReplacer(" '", " ‘", "'", "’", ` "`, " “", `"`, "”").Replace(s)
	}},
	{"hard wrap", func(r *rand.Rand, s string) string { return hardWrap(s, 60+r.IntN(80), "") }},
	{"indented wrap", func(r *rand.Rand, s string) string { return hardWrap(s, 60+r.IntN(80), "      ") }},
	{"box", func(_ *rand.Rand, s string) string { return "╷\n" + eachLine(softWrap(s, 78), "│ ") + "╵\n" }},
	{"yaml", func(_ *rand.Rand, s string) string {
		return "    message: >-\n" + eachLine(softWrap(s, 80), "      ") + "    reason: Failed\n"
	}},
	{"yaml quotes", func(_ *rand.Rand, s string) string { return "message: '" + strings.ReplaceAll(s, "'", "''") }},
	{"carriage returns", func(_ *rand.Rand, s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }},
	{"masked braces", func(_ *rand.Rand, s string) string {
		return strings.NewReplacer("{\"", "***\"", "}}", "******").Replace(s)
	}},
	{"among other lines", func(_ *rand.Rand, s string) string {
		return "2026-01-02T03:04:00Z INFO starting up\n2026-01-02T03:04:05Z ERROR " + s + "\n2026-01-02T03:04:06Z INFO still here\n"
	}},
	{"grpc", func(_ *rand.Rand, s string) string { return "rpc error: code = Unknown desc = " + s }},
	{"azcore", func(_ *rand.Rand, s string) string {
		return "GET https://management.azure.com/x\n" + strings.Repeat("-", 80) + "\nRESPONSE 403: 403 Forbidden\nERROR CODE UNAVAILABLE\n" + strings.Repeat("-", 80) + "\n" + s
	}},
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func eachLine(s, prefix string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		b.WriteString(prefix + line + "\n")
	}
	return b.String()
}

func everyWord(r *rand.Rand, s string, f func(string) string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		if w != "" && r.IntN(4) == 0 && !strings.Contains(w, "\n") {
			words[i] = f(w)
		}
	}
	return strings.Join(words, " ")
}

func hardWrap(s string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for _, c := range s {
		if column == width {
			b.WriteString("\n" + indent)
			column = 0
		}
		b.WriteRune(c)
		if column++; c == '\n' {
			column = 0
		}
	}
	return b.String()
}

// softWrap breaks at spaces.
func softWrap(s string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(s, " ") {
		if i > 0 && column+len(word) > width {
			b.WriteString("\n")
			column = 0
		} else if i > 0 {
			b.WriteString(" ")
		}
		b.WriteString(word)
		column += len(word) + 1
	}
	return b.String()
}

// loosely compares without case and without spaces, which wrapping adds inside of placeholders.
func loosely(a, b string) bool {
	clean := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	return clean(a) == clean(b)
}

// TestWrapped puts each sample into each wrapper and compares with what the sample tells.
func TestWrapped(t *testing.T) {
	const floor = 0.97
	r := rand.New(rand.NewPCG(11, 12))
	all := samples(t)
	for _, w := range wrappers {
		total := score{}
		for _, s := range all {
			f := firstOf(ParseString(w.wrap(r, s.Text)))
			if wrong := s.grade(f, total, loosely); len(wrong) > 0 && testing.Verbose() {
				t.Logf("%s %s: wrong %v: %s %s", w.name, s.ID, wrong, f.Kind, f.Code)
			}
		}
		if worst := total.log(t, w.name); worst < floor {
			t.Errorf("%s: a field is right in less than %.0f %%", w.name, floor*100)
		}
	}
}

func firstOf(failures []Failure) Failure {
	if len(failures) == 0 {
		return Failure{}
	}
	return failures[0]
}

// TestTwiceWrapped does so with two wrappers, one in the other.
func TestTwiceWrapped(t *testing.T) {
	const floor = 0.93
	r := rand.New(rand.NewPCG(13, 14))
	total := score{}
	for _, s := range samples(t) {
		for range 12 {
			outer, inner := wrappers[r.IntN(len(wrappers))], wrappers[r.IntN(len(wrappers))]
			f := firstOf(ParseString(outer.wrap(r, inner.wrap(r, s.Text))))
			if wrong := s.grade(f, total, loosely); len(wrong) > 0 && testing.Verbose() {
				t.Logf("%s in %s, %s: wrong %v: %s %s", inner.name, outer.name, s.ID, wrong, f.Kind, f.Code)
			}
		}
	}
	if worst := total.log(t, "twice"); worst < floor {
		t.Errorf("a field is right in less than %.0f %%", floor*100)
	}
}

// TestCase reads the samples in upper and lower case.
func TestCase(t *testing.T) {
	for name, change := range map[string]func(string) string{"upper": strings.ToUpper, "lower": strings.ToLower} {
		total := score{}
		for _, s := range samples(t) {
			f := firstOf(ParseString(change(s.Text)))
			if wrong := s.grade(f, total, loosely); len(wrong) > 0 && testing.Verbose() {
				t.Logf("%s %s: wrong %v: %s %s %s", name, s.ID, wrong, f.Kind, f.Code, f.Actor)
			}
		}
		if worst := total.log(t, name); worst < 0.97 {
			t.Errorf("%s: a field is right in less than 97 %%", name)
		}
	}
}

// TestCutOff cuts each sample at many places: what is read is what the whole tells, or is missing, never something else.
func TestCutOff(t *testing.T) {
	total := score{}
	for _, s := range samples(t) {
		for cut := 1; cut < len(s.Text); cut += 1 + len(s.Text)/40 {
			for _, f := range ParseString(s.Text[:cut]) {
				s.gradeCut(f, total)
			}
		}
	}
	if worst := total.log(t, "cut off"); worst < 0.95 {
		t.Error("a field is wrong in more than 5 %")
	}
}

func (s sample) gradeCut(f Failure, score score) {
	e := s.Expect
	partOf := func(list, all []string) bool {
		for _, v := range list {
			if !strings.Contains(strings.Join(all, "\n")+"\n"+squash(s.Text), squash(v)) {
				return false
			}
		}
		return true
	}
	score.add("objectId", f.ObjectID == "" || e.ObjectID == "" || f.ObjectID == e.ObjectID)
	score.add("client", f.Client == "" || e.Client == "" || f.Client == e.Client)
	score.add("actions", partOf(f.Actions, e.Actions))
	score.add("scopes", partOf(f.Scopes, e.Scopes))
	score.add("linkedScopes", partOf(f.LinkedScopes, e.LinkedScopes))
	if !e.Kind.BlamesIdentity() {
		score.add("not blamed", !f.IdentityRelated || f.Kind == Unknown)
	}
}

func squash(s string) string { return strings.Join(strings.Fields(s), "") }

// TestOtherIDs reads samples whose GUIDs were replaced, also by ones without dashes.
func TestOtherIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for name, format := range map[string]string{"dashes": "%08x-%04x-%04x-%04x-%012x", "no dashes": "%08x%04x%04x%04x%012x"} {
		total := score{}
		for _, s := range samples(t) {
			raw, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			other := map[string]string{}
			changed := guids.ReplaceAllStringFunc(string(raw), func(g string) string {
				if other[g] == "" {
					other[g] = fmt.Sprintf(format, r.Uint32(), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
				}
				return other[g]
			})
			var v sample
			if err := json.Unmarshal([]byte(changed), &v); err != nil {
				t.Fatal(err)
			}
			if wrong := v.grade(firstOf(ParseString(v.Text)), total, loosely); len(wrong) > 0 {
				t.Errorf("%s %s: wrong %v", name, s.ID, wrong)
			}
		}
		total.log(t, name)
	}
}

var guids = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
