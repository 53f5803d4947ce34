package kql

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// normal is a value as the package works with it: what JSON decoding or a caller made of a number becomes int64 or float64.
func normal(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case float32:
		return float64(v)
	}
	return v
}

func parseJSON(s string) (any, bool) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return nil, false
	}
	return normal(v), true
}

// timeLayouts are the forms of a date that queries and Azure's records have.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

func toTime(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, strings.TrimSpace(v)); err == nil {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}

// toSpan reads a time span literal (1h), or the form d.hh:mm:ss.
func toSpan(v any) (time.Duration, bool) {
	switch v := v.(type) {
	case time.Duration:
		return v, true
	case string:
		if t, n, err := lexNumber(v+" ", 0); v != "" && v[0] >= '0' && v[0] <= '9' && err == nil && t.kind == span && n == len(v) {
			return t.value.(time.Duration), true
		}
		days, clock, found := strings.Cut(v, ".")
		if !found || strings.Contains(days, ":") {
			days, clock = "0", v
		}
		d, err := strconv.Atoi(days)
		var h, m, s float64
		if n, _ := fmt.Sscanf(clock, "%f:%f:%f", &h, &m, &s); err != nil || n != 3 || d > 100_000 {
			return 0, false
		}
		return time.Duration(d)*24*time.Hour + time.Duration((h*3600+m*60+s)*float64(time.Second)), true
	}
	return 0, false
}

// str is a value as a text: null is the empty one, dynamic values are JSON.
func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.0000000Z")
	case time.Duration:
		return spanText(v)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func spanText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	text := fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	if frac := d % time.Second; frac > 0 {
		text += fmt.Sprintf(".%07d", frac/100)
	}
	if days > 0 {
		text = fmt.Sprintf("%d.%s", days, text)
	}
	return sign + text
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case time.Duration:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil
	}
	return 0, false
}

func toInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		if i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return i, true
		}
	}
	f, ok := toFloat(v)
	if !ok || math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

func toBool(v any) (bool, bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		b, err := strconv.ParseBool(strings.ToLower(v))
		return b, err == nil
	}
	f, ok := toFloat(v)
	return f != 0, ok
}

// order3 compares two values of comparable kinds: -1, 0, 1.
func order3(a, b any) (int, bool) {
	if a == nil || b == nil {
		return 0, false
	}
	if x, ok := a.(time.Time); ok {
		y, ok := toTime(b)
		return x.Compare(y), ok
	}
	if y, ok := b.(time.Time); ok {
		x, ok := toTime(a)
		return x.Compare(y), ok
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	}
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), true
		}
	}
	x, ok1 := toFloat(a)
	y, ok2 := toFloat(b)
	if ok1 && ok2 {
		return cmp.Compare(x, y), true
	}
	return strings.Compare(str(a), str(b)), true
}

// sorted orders values for order by: nulls are kept apart by the caller.
func sorted(a, b any) int {
	n, ok := order3(a, b)
	if !ok {
		return cmp.Compare(str(a), str(b))
	}
	return n
}

// identity is a value as a key of groups.
func identity(values []any) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%T\x00%s\x01", v, str(v))
	}
	return b.String()
}

// unique adds a value to a set unless it is there.
func unique(set []any, v any) []any {
	if slices.ContainsFunc(set, func(x any) bool { return str(x) == str(v) }) {
		return set
	}
	return append(set, v)
}
