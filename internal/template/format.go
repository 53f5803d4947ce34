package template

import (
	"math/big"
	"strconv"
	"strings"
)

const maxPad = 1 << 20 // characters of a format item's width or precision

// format is .NET's composite formatting: {index[,width][:format]}, with {{ and }} for braces.
func format(e *env, a []any) (any, error) {
	text := a[0].(string)
	var b strings.Builder
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], "{{") || strings.HasPrefix(text[i:], "}}"):
			b.WriteByte(c)
			i += 2
		case c == '}':
			return nil, badFormat("Input string was not in a correct format.")
		case c == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, badFormat("Input string was not in a correct format.")
			}
			s, err := e.formatItem(text[i+1:i+end], a[1:])
			if err != nil {
				return nil, err
			}
			b.WriteString(e.made(s))
			i += end + 1
		default:
			b.WriteByte(c)
			i++
		}
	}
	return e.made(b.String()), nil
}

func badFormat(why string) error {
	return faultf("Unable to evaluate language function 'format': the format is invalid: '%s'. Please see https://aka.ms/arm-function-format for usage details.", why)
}

func (e *env) formatItem(item string, args []any) (string, error) {
	item, spec, _ := strings.Cut(item, ":")
	index, width, _ := strings.Cut(item, ",")
	i, err := strconv.Atoi(strings.TrimSpace(index))
	if err != nil || i < 0 {
		return "", badFormat("Input string was not in a correct format.")
	}
	if i >= len(args) {
		return "", badFormat("Index (zero based) must be greater than or equal to zero and less than the size of the argument list.")
	}
	s := e.run.text(args[i])
	if n, ok := args[i].(int64); ok && spec != "" {
		if s, ok = formatInteger(n, spec); !ok {
			return "", badFormat("Format specifier was invalid.")
		}
	}
	if width == "" {
		return s, nil
	}
	w, err := strconv.Atoi(strings.TrimSpace(width))
	if err != nil || w > maxPad || w < -maxPad {
		return "", badFormat("Input string was not in a correct format.")
	}
	e.run.spend(max(w, -w))
	pad := strings.Repeat(" ", max(0, max(w, -w)-length(s)))
	if w < 0 {
		return s + pad, nil
	}
	return pad + s, nil
}

// formatInteger prints a number in one of .NET's formats, in the invariant culture.
func formatInteger(n int64, spec string) (string, bool) {
	letters, precision := spec[:1], -1
	if len(spec) > 1 {
		p, err := strconv.Atoi(spec[1:])
		if err != nil || p < 0 || p > 999 {
			return customNumber(n, spec), true
		}
		precision = p
	}
	sign, digits := "", strconv.FormatUint(magnitude(n), 10)
	if n < 0 {
		sign = "-"
	}
	switch letters {
	case "D", "d":
		return sign + zeros(precision-len(digits)) + digits, true
	case "X", "x":
		s := strconv.FormatUint(uint64(n), 16)
		if letters == "X" {
			s = strings.ToUpper(s)
		}
		return zeros(precision-len(s)) + s, true
	case "B", "b":
		s := strconv.FormatUint(uint64(n), 2)
		return zeros(precision-len(s)) + s, true
	case "G", "g", "R", "r":
		return sign + digits, true
	case "F", "f":
		return sign + digits + fraction(precision), true
	case "N", "n":
		return sign + grouped(digits) + fraction(precision), true
	case "P", "p":
		hundred := new(big.Int).Mul(new(big.Int).SetUint64(magnitude(n)), big.NewInt(100))
		return sign + grouped(hundred.String()) + fraction(precision) + " %", true
	case "C", "c":
		return sign + "¤" + grouped(digits) + fraction(precision), true
	}
	if strings.ContainsAny(spec, "0#") {
		return customNumber(n, spec), true
	}
	return "", false
}

func zeros(n int) string { return strings.Repeat("0", max(0, n)) }

// fraction is the decimals of a whole number; two where no precision is given.
func fraction(precision int) string {
	switch {
	case precision < 0:
		return ".00"
	case precision == 0:
		return ""
	}
	return "." + zeros(precision)
}

func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// customNumber prints a number in a custom format: 0 is a digit that is always there, # one that may be, a comma between
// them groups, and anything around them is text.
func customNumber(n int64, spec string) string {
	first, last := strings.IndexAny(spec, "0#"), strings.LastIndexAny(spec, "0#")
	if first < 0 {
		return spec
	}
	pattern := spec[first : last+1]
	whole, decimals, _ := strings.Cut(pattern, ".")
	digits := strconv.FormatUint(magnitude(n), 10)
	if n == 0 {
		digits = ""
	}
	digits = zeros(strings.Count(whole, "0")-len(digits)) + digits
	if strings.Contains(whole, ",") {
		digits = grouped(digits)
	}
	if d := strings.Count(decimals, "0"); d > 0 {
		digits += "." + zeros(d)
	}
	sign := ""
	if n < 0 {
		sign = "-"
	}
	return sign + spec[:first] + digits + spec[last+1:]
}
