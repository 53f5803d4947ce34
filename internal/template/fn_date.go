package template

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dateFunctions work on times (Microsoft Learn: date functions).
func dateFunctions() map[string]*function {
	return map[string]*function{
		"utcNow":            def("string?", utcNow).isOnce(),
		"dateTimeAdd":       def("string string string?", dateTimeAdd),
		"dateTimeFromEpoch": def("int", dateTimeFromEpoch),
		"dateTimeToEpoch":   def("string", dateTimeToEpoch),
	}
}

// isoTime is how a time is printed that has no format of its own.
const isoTime = "yyyy-MM-ddTHH:mm:ssZ"

func utcNow(e *env, a []any) (any, error) {
	format := "yyyyMMddTHHmmssZ"
	if len(a) > 0 {
		format = a[0].(string)
	}
	if e.run.Now.IsZero() {
		return nil, errUnknown
	}
	return formatTime(e.run.Now.UTC(), format)
}

// layouts are the forms of a time that templates use, in Go's notation.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "20060102T150405Z", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04", "2006-01-02", "1/2/2006 3:04:05 PM", "01/02/2006 15:04:05", "1/2/2006", time.RFC1123}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func dateTimeAdd(_ *env, a []any) (any, error) {
	t, ok := parseTime(a[0].(string))
	if !ok {
		return nil, faultf("The template function 'dateTimeAdd' has an invalid parameter. The first parameter '%s' is not a valid DateTime string. "+
			"Please see https://aka.ms/arm-syntax-functions .", clip(a[0].(string)))
	}
	t, ok = addDuration(t, a[1].(string))
	if !ok || t.Year() < 1 || t.Year() > 9999 {
		return nil, faultf("The template function 'dateTimeAdd' has an invalid parameter. The second parameter '%s' is not a valid ISO8601 Duration string. "+
			"Please see https://aka.ms/arm-syntax-functions .", clip(a[1].(string)))
	}
	format := isoTime
	if len(a) > 2 {
		format = a[2].(string)
	}
	return formatTime(t, format)
}

var durationText = regexp.MustCompile(`^(-?)P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,7})?)S)?)?$`)

// addDuration adds an ISO 8601 duration, with years and months as the calendar has them.
func addDuration(t time.Time, text string) (time.Time, bool) {
	m := durationText.FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, "P") || strings.HasSuffix(text, "T") {
		return t, false
	}
	sign := 1
	if m[1] != "" {
		sign = -1
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return sign * v }
	seconds, _ := strconv.ParseFloat("0"+m[8], 64)
	t = t.AddDate(n(2), n(3), 7*n(4)+n(5))
	for range 2 { // a duration holds 292 years, hours and minutes of nine digits more
		t = t.Add(time.Duration(n(6)) * time.Hour / 2).Add(time.Duration(n(7)) * time.Minute / 2)
	}
	return t.Add(time.Duration(float64(sign) * seconds * float64(time.Second))), true
}

func dateTimeFromEpoch(_ *env, a []any) (any, error) {
	t := time.Unix(a[0].(int64), 0).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return nil, faultf("The template function 'dateTimeFromEpoch' has an invalid parameter: '%d' is out of range. Please see https://aka.ms/arm-syntax-functions .", a[0])
	}
	return formatTime(t, isoTime)
}

func dateTimeToEpoch(_ *env, a []any) (any, error) {
	t, ok := parseTime(a[0].(string))
	if !ok {
		return nil, faultf("The template function 'dateTimeToEpoch' has an invalid parameter: '%s' is not a valid DateTime string. Please see https://aka.ms/arm-syntax-functions .", clip(a[0].(string)))
	}
	return t.Unix(), nil
}

// standardFormats are .NET's formats of one letter, in its invariant culture.
var standardFormats = map[string]string{
	"d": "MM/dd/yyyy", "D": "dddd, dd MMMM yyyy", "f": "dddd, dd MMMM yyyy HH:mm", "F": "dddd, dd MMMM yyyy HH:mm:ss", "g": "MM/dd/yyyy HH:mm",
	"G": "MM/dd/yyyy HH:mm:ss", "M": "MMMM dd", "m": "MMMM dd", "O": "yyyy-MM-ddTHH:mm:ss.fffffffZ", "o": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
	"R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "s": "yyyy-MM-ddTHH:mm:ss", "t": "HH:mm", "T": "HH:mm:ss",
	"u": "yyyy-MM-dd HH:mm:ssZ", "U": "dddd, dd MMMM yyyy HH:mm:ss", "Y": "yyyy MMMM", "y": "yyyy MMMM",
}

// timeParts are the parts of .NET's custom formats, in Go's notation.
var timeParts = map[string]string{
	"d": "2", "dd": "02", "ddd": "Mon", "dddd": "Monday", "M": "1", "MM": "01", "MMM": "Jan", "MMMM": "January", "yy": "06", "yyyy": "2006",
	"H": "15", "HH": "15", "h": "3", "hh": "03", "m": "4", "mm": "04", "s": "5", "ss": "05", "tt": "PM", "zz": "-07", "zzz": "-07:00", "K": "Z07:00",
}

// formatTime prints a time in a .NET format, standard or custom, in the invariant culture.
func formatTime(t time.Time, format string) (any, error) {
	if len(format) > 256 {
		return nil, fault("Input string was not in a correct format.")
	}
	if standard, ok := standardFormats[format]; ok {
		format = standard
	} else if len(format) == 1 {
		return nil, faultf("The format '%s' is not a valid DateTime format.", format)
	}
	var b strings.Builder
	for i := 0; i < len(format); {
		i += timePart(&b, t, format[i:])
	}
	return b.String(), nil
}

// timePart prints the first part of a custom format, and gives its length.
func timePart(b *strings.Builder, t time.Time, format string) int {
	switch c := format[0]; c {
	case '\'', '"':
		if end := strings.IndexByte(format[1:], c); end >= 0 {
			b.WriteString(format[1 : 1+end])
			return end + 2
		}
	case '\\', '%':
		if c == '\\' && len(format) > 1 {
			b.WriteByte(format[1])
			return 2
		}
		return 1
	case 'd', 'M', 'y', 'H', 'h', 'm', 's', 'f', 'F', 't', 'z', 'K':
		n := len(format) - len(strings.TrimLeft(format, string(c)))
		b.WriteString(timeText(t, c, n))
		return n
	}
	b.WriteByte(format[0])
	return 1
}

func timeText(t time.Time, c byte, n int) string {
	part := strings.Repeat(string(c), n)
	switch {
	case c == 'f' || c == 'F':
		digits := (strconv.Itoa(t.Nanosecond() + 1e9))[1:][:min(n, 7)]
		if c == 'F' {
			digits = strings.TrimRight(digits, "0")
		}
		return digits
	case part == "H":
		return strconv.Itoa(t.Hour())
	case part == "y":
		return strconv.Itoa(t.Year() % 100)
	case part == "t":
		return t.Format("PM")[:1]
	case part == "z":
		return "+0"
	}
	for ; timeParts[part] == "" && n > 1; n-- { // .NET takes a longer run for the longest that it knows
		part = part[1:]
	}
	return t.Format(timeParts[part])
}
