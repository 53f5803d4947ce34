package template

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"

	"aksid/internal/azure"
)

// stringFunctions work on texts (Microsoft Learn: string functions). Positions and lengths count UTF-16 units, as .NET does.
func stringFunctions() map[string]*function {
	return map[string]*function{
		"base64":               def("string", onText(encode64)),
		"base64ToString":       def("string", base64ToString),
		"base64ToJson":         def("string", base64ToJSON),
		"dataUri":              def("string", onText(func(s string) string { return "data:text/plain;charset=utf-8;base64," + encode64(s) })),
		"dataUriToString":      def("string", dataURIToString),
		"uriComponent":         def("string", onText(uriComponent)),
		"uriComponentToString": def("string", onText(uriComponentToString)),
		"uri":                  def("string string", joinURI),
		"toLower":              def("string", onText(strings.ToLower)).makesText(),
		"toUpper":              def("string", onText(strings.ToUpper)),
		"trim":                 def("string", onText(strings.TrimSpace)),
		"startsWith":           def("string string", onTexts(func(s, t string) any { return strings.HasPrefix(lower(s), lower(t)) })),
		"endsWith":             def("string string", onTexts(func(s, t string) any { return strings.HasSuffix(lower(s), lower(t)) })),
		"string":               def("any", func(e *env, a []any) (any, error) { return e.made(e.run.text(a[0])), nil }),
		"replace":              def("string string string", replace).makesText(),
		"split":                def("any string|array", split).isLax(),
		"join":                 def("array string", join).makesText(),
		"format":               def("string any?...", format).makesText(),
		"padLeft":              def("string|int int string?", padLeft),
		"substring":            def("string int int?", substring),
		"guid":                 def("string...", func(e *env, a []any) (any, error) { return azure.NamedGUID(e.joined(a)).String(), nil }),
		"uniqueString":         def("string...", func(e *env, a []any) (any, error) { return uniqueString(e.joined(a)), nil }),
		"newGuid":              def("", newGUID).isOnce(),
		"like":                 def("string string", like),
	}
}

func lower(s string) string { return strings.ToLower(s) }

func onText(f func(string) string) func(*env, []any) (any, error) {
	return func(e *env, a []any) (any, error) { return e.made(f(a[0].(string))), nil }
}

func onTexts(f func(s, t string) any) func(*env, []any) (any, error) {
	return func(_ *env, a []any) (any, error) { return f(a[0].(string), a[1].(string)), nil }
}

// made accounts for a text.
func (e *env) made(s string) string {
	e.run.spend(len(s))
	return s
}

func encode64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func decode64(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return strings.ToValidUTF8(string(b), "\ufffd"), err == nil
}

func base64ToString(e *env, a []any) (any, error) {
	if s, ok := decode64(a[0].(string)); ok {
		return e.made(s), nil
	}
	return nil, fault("The template language function 'base64ToString' was invoked with a parameter that is not valid. The value cannot be decoded from base64 representation.")
}

func base64ToJSON(e *env, a []any) (any, error) {
	if s, ok := decode64(a[0].(string)); ok {
		if v, err := e.fromJSON(s); err == nil {
			return v, nil
		}
	}
	return nil, fault("The template language function 'base64ToJson' was invoked with a parameter that is not valid. The value cannot be decoded from base64 representation.")
}

// fromJSON reads JSON as templates are read.
func (e *env) fromJSON(s string) (any, error) {
	e.run.spend(len(s))
	n, err := parse([]byte(s), true)
	if err != nil {
		return nil, err
	}
	return n.data(), nil
}

func dataURIToString(e *env, a []any) (any, error) {
	uri := a[0].(string)
	head, data, ok := strings.Cut(uri, ",")
	head, isData := strings.CutPrefix(head, "data:")
	if !ok || !isData {
		return nil, faultf("The template language function 'dataUriToString' expects its parameter to be formatted as a valid data URI. "+
			"The provided value '%s' was not formatted correctly. Please see https://aka.ms/arm-functions#dataUriToString for usage details.", clip(uri))
	}
	if !strings.HasSuffix(head, ";base64") {
		return e.made(uriComponentToString(data)), nil
	}
	if s, ok := decode64(data); ok {
		return e.made(s), nil
	}
	return nil, fault("The template language function 'dataUriToString' was invoked with a parameter that is not valid. The value cannot be converted to the target type.")
}

// uriComponent escapes all but unreserved characters (RFC 3986), as Uri.EscapeDataString does.
func uriComponent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; letter(c) || c >= '0' && c <= '9' || strings.IndexByte("-.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// uriComponentToString leaves what is no escape as it is, as Uri.UnescapeDataString does.
func uriComponentToString(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if i+3 <= len(s) && s[i] == '%' {
			if c, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(c)
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

func joinURI(e *env, a []any) (any, error) {
	base, err := url.Parse(a[0].(string))
	if err != nil || !base.IsAbs() || base.Host == "" {
		return nil, faultf("The template language function 'uri' expects its first argument to be a uri string. "+
			"The provided value is '%s'. Please see https://aka.ms/arm-function-uri for usage details.", clip(a[0].(string)))
	}
	ref, err := url.Parse(a[1].(string))
	if err != nil {
		return nil, faultf("The template language function 'uri' cannot combine '%s' with '%s'. "+seeFunctions, clip(a[0].(string)), clip(a[1].(string)))
	}
	u := base.ResolveReference(ref)
	if u.Path == "" {
		u.Path = "/"
	}
	return e.made(u.String()), nil
}

func replace(e *env, a []any) (any, error) {
	s, from, to := a[0].(string), a[1].(string), a[2].(string)
	if from == "" {
		return nil, fault("The template language function 'replace' expects its second parameter to be a string that is not empty. " + seeFunctions)
	}
	e.run.spend(len(s) + strings.Count(s, from)*len(to))
	return strings.ReplaceAll(s, from, to), nil
}

func split(e *env, a []any) (any, error) {
	switch s := a[0].(type) {
	case string:
		return e.splitAt(s, a[1])
	case *Unknown:
		return e.splitID(s, a[1])
	}
	return nil, functions["split"].mismatch("split", a)
}

// splitID cuts an id of which parts are unknown at its slashes: an unknown part is one segment.
func (e *env) splitID(u *Unknown, sep any) (any, error) {
	if sep != "/" || !strings.HasPrefix(u.Text, "/") {
		return nil, errUnknown
	}
	parts, err := e.splitAt(u.Text, sep)
	if err != nil {
		return nil, err
	}
	list := parts.([]any)
	for i, p := range list {
		if text := p.(string); strings.Contains(text, "{") {
			list[i] = &Unknown{Expr: cut(fmt.Sprintf("split(%s, '/')[%d]", u.Expr, i)), Text: text, Refs: u.Refs}
		}
	}
	return list, nil
}

func (e *env) splitAt(s string, delimiters any) (any, error) {
	seps, ok := delimiters.([]any)
	if !ok {
		seps = []any{delimiters}
	}
	parts := []string{s}
	for _, sep := range seps {
		text, ok := sep.(string)
		if !ok {
			return nil, faultf("The template language function 'split' expects its second parameter to be a string or an array of strings. "+
				"The provided value is of type '%s'. "+seeFunctions, typeName(sep))
		}
		parts = cutAll(parts, text)
	}
	e.run.spend(len(s) + len(parts))
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, nil
}

func cutAll(parts []string, sep string) []string {
	if sep == "" {
		return parts
	}
	var out []string
	for _, p := range parts {
		out = append(out, strings.Split(p, sep)...)
	}
	return out
}

func join(e *env, a []any) (any, error) {
	list, sep := a[0].([]any), a[1].(string)
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = e.run.text(v)
		e.run.spend(len(parts[i]) + len(sep))
	}
	return strings.Join(parts, sep), nil
}

// joined is what guid and uniqueString hash.
func (e *env) joined(args []any) string {
	s, _ := join(e, []any{args, "-"})
	return s.(string)
}

func newGUID(e *env, _ []any) (any, error) {
	if e.run.NewGUID == nil {
		return nil, errUnknown
	}
	return e.run.NewGUID().String(), nil
}

func padLeft(e *env, a []any) (any, error) {
	s, width, pad := e.run.text(a[0]), a[1].(int64), " "
	if len(a) > 2 {
		pad = a[2].(string)
	}
	if width < 0 || width > maxWork || length(pad) != 1 {
		return nil, fault("The template language function 'padLeft' expects a total length that is not negative and a single character to pad with. " + seeFunctions)
	}
	n := max(0, int(width)-length(s))
	e.run.spend(n*len(pad) + len(s))
	return strings.Repeat(pad, n) + s, nil
}

// length counts UTF-16 units.
func length(s string) int {
	n := 0
	for _, c := range s {
		n += utf16.RuneLen(c)
	}
	return n
}

// slice is the text from one UTF-16 unit to another.
func slice(s string, from, to int) string {
	if len(s) == length(s) {
		return s[from:to]
	}
	return string(utf16.Decode(utf16.Encode([]rune(s))[from:to]))
}

func substring(e *env, a []any) (any, error) {
	s, from := a[0].(string), a[1].(int64)
	size := int64(length(s))
	n := size - from
	if len(a) > 2 {
		n = a[2].(int64)
	}
	switch {
	case from < 0 || from > size:
		return nil, faultf("Unable to evaluate the template language function 'substring'. The index parameter must be non-negative and not exceed the length of the string. "+
			"The index parameter: '%d', the length of the string parameter: '%d'. Please see https://aka.ms/arm-function-substring for usage details.", from, size)
	case n < 0 || n > size-from:
		return nil, faultf("Unable to evaluate the template language function 'substring'. The index and length parameters must refer to a location within the string. "+
			"The index parameter: '%d', the length parameter: '%d', the length of the string parameter: '%d'. Please see https://aka.ms/arm-function-substring for usage details.", from, n, size)
	}
	return e.made(slice(s, int(from), int(from+n))), nil
}

// like compares without case with a pattern, in which * stands for any text.
func like(e *env, a []any) (any, error) {
	s, parts := lower(a[0].(string)), strings.Split(lower(a[1].(string)), "*")
	e.run.spend(len(s) + len(parts))
	s, ok := strings.CutPrefix(s, parts[0])
	if len(parts) == 1 {
		return ok && s == "", nil
	}
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(s, p)
		if ok = ok && at >= 0; !ok {
			return false, nil
		}
		s = s[at+len(p):]
	}
	return ok && strings.HasSuffix(s, last), nil
}
