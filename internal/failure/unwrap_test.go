package failure

import (
	"strings"
	"testing"
)

func TestUnwrap(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		`a \"b\" c`:                    `a "b" c`,
		`a \\\"b\\\" c`:                `a "b" c`,
		`one\ntwo\r\nthree\ttabs`:      "one\ntwo\nthree\ttabs",
		`one\\\\ntwo`:                  "one\ntwo",
		`\u003cid\u003e \u0027x\u0027`: `<id> 'x'`,
		`\\u0027`:                      "'",
		"\x1b[31mred\x1b[0m":           "red",
		`\u001b[1;31mred\u001b[0m`:     "red",
		`\x1b[31mred`:                  "red",
		`\033[31mred`:                  "red",
		"&lt;a&gt; &quot;b&quot; &#39;c&#39; &#x27;d&#x27; &nbsp;&amp;": `<a> "b" 'c' 'd'  &`,
		"&amp;lt;a&amp;gt;":             "<a>",
		"‘a’ “b” «c»":                   `'a' "b" "c"`,
		"a\u00a0b\u200bc\ufeffd\u00ade": "a bcde",
		`C:\Users\me`:                   `C:\Users\me`,
		`\{"error":{}}`:                 `{"error":{}}`,
		`a\_b \<id\> \*`:                "a_b <id> *",
		"perform ''A/write'' on ''/s''": "perform 'A/write' on '/s'",
		"object id '' and ''<x>''":      "object id '' and '<x>'",
		"│ boxed":                       "  boxed",
		"a\r\nb":                        "a\nb",
		"R&D; &foo; &":                  "R&D; &foo; &",
		`ends in \`:                     "ends in ",
		"\xff\xfe bad":                  " bad",
	} {
		if got := unwrap(in); got != want {
			t.Errorf("unwrap(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add(`a\\\"b\u003c\x1b[31m&amp;lt;│`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := unwrap(s); len(got) > 3*len(s)+3 {
			t.Fatalf("%d bytes became %d", len(s), len(got))
		}
	})
}

func TestReadLine(t *testing.T) {
	for _, c := range []struct {
		raw, prev, text, time string
		starts                bool
	}{
		{raw: "E0708 17:41:33.631196       1 controller.go:310] error", text: "17:41:33.631196       1 controller.go:310] error", starts: true},
		{raw: "2020-09-04T09:56:59.4720785Z Waiting", text: "Waiting", time: "2020-09-04T09:56:59Z"},
		{raw: "2020-09-04T09:57:17.6368484Z ##[error]Script failed", text: "Script failed", time: "2020-09-04T09:57:17Z"},
		{raw: "2020-09-04T09:57:17.6368484Z ERROR: (X) y", text: "ERROR: (X) y", time: "2020-09-04T09:57:17Z", starts: true},
		{raw: "2020-08-13T23:10:49.791614629Z stderr F E0813 23:10:49.789874       1 c.go:1] x", text: "23:10:49.789874       1 c.go:1] x", time: "2020-08-13T23:10:49Z", starts: true},
		{raw: "2022-12-18T02:41:33Z    ERROR   x", text: "   ERROR   x", time: "2022-12-18T02:41:33Z"},
		{raw: "2022-12-18 02:41:33,123 ERROR x", text: "ERROR x", time: "2022-12-18T02:41:33Z", starts: true},
		{raw: "2022-12-18T02:41:33+02:00 x", text: "x", time: "2022-12-18T00:41:33Z", starts: true},
		{raw: "2022-12-18T02:41:33.5-0700 x", text: "x", time: "2022-12-18T09:41:33Z", starts: true},
		{raw: "[2021-12-29T14:41:37Z] x", text: "x", time: "2021-12-29T14:41:37Z", starts: true},
		{raw: "2018/01/23 01:25:25 api call", text: "api call", time: "2018-01-23T01:25:25Z", starts: true},
		{raw: "Jul 10 11:23:29 host kubelet[1]: x", text: "host kubelet[1]: x", starts: true},
		{raw: "[pod/csi-x/azurefile] E0307 16:26:35.949189       1 utils.go:116] x", text: "16:26:35.949189       1 utils.go:116] x", starts: true},
		{raw: "web-1  | hello", text: "hello"},
		{raw: "│ Error: creating", text: "Error: creating", starts: true},
		{raw: "│   with azurerm_x.y,", text: "  with azurerm_x.y,"},
		{raw: "> quoted", text: "quoted"},
		{raw: "build\tRun az\t2020-09-04T09:56:59.4720785Z hello", text: "hello", time: "2020-09-04T09:56:59Z"},
		{raw: "  Warning  FailedMount  15s  kubelet  x", text: "  Warning  FailedMount  15s  kubelet  x", starts: true},
		{raw: "default 57m         Warning   SyncLoadBalancerFailed    service/x  y", text: "default 57m         Warning   SyncLoadBalancerFailed    service/x  y", starts: true},
		{raw: "Code: AuthorizationFailed", text: "Code: AuthorizationFailed"},
		{raw: `{"error":"x"}`, prev: "status code was 401:", text: `{"error":"x"}`},
		{raw: `{"level":"error"}`, prev: "something", text: `{"level":"error"}`, starts: true},
		{raw: `  "message": "x"`, text: `  "message": "x"`},
		{raw: "\x1b[31mError: x\x1b[0m", text: "Error: x", starts: true},
		{raw: "2999-99-99T99:99:99Z x", text: "x", starts: true},
	} {
		got := readLine(c.raw, c.prev)
		time := ""
		if !got.time.IsZero() {
			time = got.time.Format("2006-01-02T15:04:05Z")
		}
		if got.text != c.text || time != c.time || got.starts != c.starts {
			t.Errorf("%q reads as %q at %q, starts %t", c.raw, got.text, time, got.starts)
		}
	}
}

func TestRecords(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"lines":                 {"E0708 17:41:33.000000 1 a.go:1] a\nmore\nE0708 17:41:34.000000 1 a.go:1] b\n", []string{"17:41:33.000000 1 a.go:1] a\nmore\n", "17:41:34.000000 1 a.go:1] b\n"}},
		"ndjson":                {"{\"a\":1}\n{\"b\":{\"c\":[1,2]}}\n", []string{`{"a":1}`, `{"b":{"c":[1,2]}}`}},
		"list":                  {"[\n {\"a\":1},\n {\"b\":\"]}\"}\n]\n", []string{"[\n {\"a\":1}", ",\n {\"b\":\"]}\"}", "\n]"}},
		"items":                 {`{"kind":"List","items":[{"x":{}},{"y":[{}]}],"z":1}`, []string{`{"kind":"List","items":[{"x":{}}`, `,{"y":[{}]}`, `],"z":1}`}},
		"details stay":          {`{"error":{"details":[{"code":"A"},{"code":"B"}]}}`, []string{`{"error":{"details":[{"code":"A"},{"code":"B"}]}}`}},
		"json, then text":       {"{\"a\":1}\nplain\n", []string{`{"a":1}`, "plain\n"}},
		"not json after all":    {"{tenant} was not found\nmore\n", []string{"{tenant} was not found\nmore\n"}},
		"wrapped json":          {"{\"a\":\"b\nc\"}\n", []string{"{\"a\":\"b\nc\"}\n"}},
		"bracketed time":        {"[2021-12-29T14:41:37Z] a\n[2021-12-29T14:41:38Z] b\n", []string{"a\n", "b\n"}},
		"cut json":              {`{"a":{"b":`, []string{`{"a":{"b":`}},
		"nothing":               {"", nil},
		"no newline at the end": {"a", []string{"a\n"}},
	} {
		var got []string
		for r, err := range records(strings.NewReader(c.in)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.text))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLongLine(t *testing.T) {
	n := 0
	for r := range records(strings.NewReader(strings.Repeat("x", 3*maxRecord))) {
		if n += len(r.text); len(r.text) > maxRecord+2 {
			t.Errorf("a record of %d bytes", len(r.text))
		}
	}
	if n < 3*maxRecord {
		t.Errorf("%d bytes", n)
	}
}

func TestLookupKey(t *testing.T) {
	text := "{\"count\": 3, \"lastTimestamp\": \"2026-01-02T03:04:05Z\"}\nreason: Failed\nts=17 discount: 9"
	for key, want := range map[string]string{"count": "3", "lastTimestamp": "2026-01-02T03:04:05Z", "reason": "Failed", "ts": "17 discount: 9", "missing": ""} {
		if got := lookup(text, key); got != want {
			t.Errorf("lookup %s = %q, want %q", key, got, want)
		}
	}
}
