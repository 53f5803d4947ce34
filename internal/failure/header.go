package failure

import (
	"strings"
	"time"
)

// line is a physical line without what log viewers and shippers put before each line.
type line struct {
	text   string
	source string    // the container, as kubectl and Compose name it before each line
	time   time.Time // zero where the line has none
	starts bool      // begins a record
	boxed  bool      // stood in a box or a quotation
}

// readLine takes the prefixes off a line and decides whether a record begins with it. prev is the line before.
func readLine(raw string, prev string) line {
	l := line{text: strings.TrimRight(raw, "\r\n")}
	l.stripPlain()
	stamped := l.stripTime()
	l.stripBox()
	switch {
	case l.boxed:
		l.starts = strings.HasPrefix(l.text, "Error: ")
	case !l.continues(prev):
		l.starts = stamped || opensRecord(l.text)
	}
	return l
}

// stripPlain removes colours, byte order marks and the columns of `gh run view --log`, which end in a time.
func (l *line) stripPlain() {
	if strings.IndexByte(l.text, 0x1b) >= 0 {
		l.text = stripColours(l.text)
	}
	l.text = strings.TrimPrefix(l.text, "\ufeff")
	if i := strings.LastIndexByte(l.text[:min(len(l.text), 200)], '\t'); i >= 0 && strings.Count(l.text[:i], "\t") == 1 {
		if _, n, _ := readTime(l.text[i+1:]); n > 0 {
			l.text = l.text[i+1:]
		}
	}
}

func stripColours(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, 0x1b)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i+1+colour(s[i+1:]):]
	}
}

// stripTime removes [pod/…] and times, of which there may be several: the shipper's, the container runtime's, the
// program's. The first that has a date is the line's. It reports whether the line has a time of its own: those that
// runners and kubectl put before each line, in the middle of messages too, do not count.
func (l *line) stripTime() (stamped bool) {
	for range 4 {
		l.text = strings.TrimLeft(l.text, "\ufeff")
		if rest, ok := strings.CutPrefix(l.text, "["); ok && strings.HasPrefix(rest, "pod/") {
			name, after, _ := strings.Cut(rest, "]")
			l.source, l.text = name, strings.TrimPrefix(after, " ")
			continue
		}
		t, n, each := readTime(l.text)
		if n == 0 {
			return stamped
		}
		if l.time.IsZero() {
			l.time = t
		}
		stamped = stamped || !each
		l.text = strings.TrimPrefix(l.text[n:], " ")
		for _, runtime := range []string{"stdout F ", "stderr F ", "stdout P ", "stderr P "} {
			l.text = strings.TrimPrefix(l.text, runtime)
		}
	}
	return stamped
}

// readTime reads a time at the beginning of a line, how long it is with its brackets, and whether it is of the kind
// that is put before each line: seven or nine digits of a second, in UTC.
func readTime(s string) (t time.Time, n int, each bool) {
	rest := strings.TrimPrefix(s, "[")
	if len(rest) < 15 {
		return t, 0, false
	}
	switch c := rest[0]; {
	case c >= '1' && c <= '2':
		n, t, each = readDate(rest)
	case strings.IndexByte("IWEFD", c) >= 0:
		n = klogTime(rest)
	case c >= 'A' && c <= 'S':
		n = syslogTime(rest)
	}
	if n == 0 {
		return t, 0, false
	}
	if n += len(s) - len(rest); n < len(s) && s[n] == ']' {
		n++
	}
	return t, n, each
}

// readDate reads RFC 3339 and what resembles it: a space for the T, slashes, a comma, no zone.
func readDate(s string) (n int, t time.Time, each bool) {
	if len(s) < 19 || !shaped(s, "dddd-dd-dd dd:dd:dd") {
		return 0, t, false
	}
	n = 19
	if n+1 < len(s) && (s[n] == '.' || s[n] == ',') && digit(s[n+1]) {
		for n++; n < len(s) && digit(s[n]); n++ {
		}
	}
	fraction := n - 20
	zone := "Z"
	switch {
	case n < len(s) && s[n] == 'Z':
		n++
		each = fraction == 7 || fraction == 9
	case len(s) >= n+6 && shaped(s[n:], "+dd:dd"):
		zone = s[n : n+6]
		n += 6
	case len(s) >= n+5 && shaped(s[n:], "+dddd"):
		zone = s[n:n+3] + ":" + s[n+3:n+5]
		n += 5
	}
	text := s[:4] + "-" + s[5:7] + "-" + s[8:10] + "T" + s[11:19]
	if t, err := time.Parse(time.RFC3339, text+zone); err == nil {
		return n, t.UTC(), each
	}
	return n, t, each
}

// shaped compares with a pattern: d is a digit, - also a slash, a space also T, + also minus.
func shaped(s, pattern string) bool {
	if len(s) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		c := s[i]
		ok := c == pattern[i]
		switch pattern[i] {
		case 'd':
			ok = digit(c)
		case '-':
			ok = ok || c == '/'
		case ' ':
			ok = ok || c == 'T'
		case '+':
			ok = ok || c == '-'
		}
		if !ok {
			return false
		}
	}
	return true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// klogTime is the length of the letter, date and time of a klog line. It names no year, and is not read.
func klogTime(s string) int {
	if shaped(s[1:], "dddd") && (s[5] == ' ' || s[5] == 'T') && shaped(s[6:], "dd:dd:dd") {
		return 5
	}
	return 0
}

// syslogTime is the length of a time as in Jul 10 11:23:29.
func syslogTime(s string) int {
	if s[3] == ' ' && shaped(s[7:], "dd:dd:dd") && (digit(s[5]) || digit(s[4])) {
		return 15
	}
	return 0
}

// pipeline is the source of lines with the marks of a pipeline's runner.
const pipeline = "pipeline runner"

// stripBox removes Terraform's box, Markdown's quote and Compose's column.
func (l *line) stripBox() {
	for {
		s := strings.TrimLeft(l.text, " ")
		rest := s
		for _, mark := range []string{"│", "┃", "|", ">"} {
			rest = strings.TrimPrefix(rest, mark)
		}
		if rest == s {
			break
		}
		l.boxed, l.text = true, strings.TrimPrefix(rest, " ")
	}
	for _, mark := range []string{"##[error]", "##[warning]", "##[group]", "::error::", "::error "} {
		if rest, ok := strings.CutPrefix(l.text, mark); ok {
			l.source, l.text = pipeline, rest
		}
	}
	if name, rest, ok := strings.Cut(l.text, " | "); ok && len(name) < 40 && !strings.ContainsAny(name, `"'{`) {
		l.source, l.text = strings.TrimSpace(name), rest
	}
}

// follows are beginnings of lines that belong to the lines before, as az, PowerShell and the SDKs print them.
var follows = []string{"Code:", "Message:", "Target:", "Inner error:", "Exception Details:", "ErrorCode:", "ErrorMessage:",
	"ErrorTarget:", "StatusCode:", "ReasonPhrase:", "OperationID", "Status:", "Content:", "Headers:", "RESPONSE ", "ERROR CODE:",
	"Trace ID", "Correlation ID", "Timestamp:", "Additional Information:", "at ", "---", "Error Message:"}

// continues reports whether a line cannot be the beginning of anything.
func (l *line) continues(prev string) bool {
	s := l.text
	if s == "" || strings.IndexByte(" \t}])\"'`,.;*", s[0]) >= 0 {
		return !eventRow(s)
	}
	if c := s[0]; c == '{' || c == '[' {
		return prev != "" && strings.IndexByte(":-,({[=", lastByte(prev)) >= 0
	}
	for _, f := range follows {
		if strings.HasPrefix(s, f) {
			return true
		}
	}
	return false
}

func lastByte(s string) byte {
	if s = strings.TrimRight(s, " \t"); s == "" {
		return ' '
	}
	return s[len(s)-1]
}

// levels begin the lines of programs without a time.
var levels = []string{"ERROR", "Error:", "error:", "WARN", "INFO", "DEBUG", "FATAL", "TRACE", "time=", "level=", "ts=", `{"`, "Error from server", "Failed "}

// opensRecord reports whether a line without a time begins a record.
func opensRecord(s string) bool {
	for _, level := range levels {
		if strings.HasPrefix(s, level) {
			return true
		}
	}
	return eventRow(s)
}

// eventRow reports whether a line is a row of Kubernetes events, with the type in one of its first columns.
func eventRow(s string) bool {
	for _, typ := range []string{"Warning ", "Normal "} {
		if i := strings.Index(s[:min(len(s), 90)], typ); i == 0 || i > 0 && s[i-1] == ' ' && strings.Count(strings.TrimSpace(s[:i]), "  ") < 3 &&
			len(strings.Fields(s[:i])) <= 3 && strings.HasPrefix(s[i+len(typ)-1:], "  ") {
			return true
		}
	}
	return false
}
