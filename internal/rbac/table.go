package rbac

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// A table of roles is a deflated stream: a count of strings and the strings, each with its length, sorted; a count of
// roles; per role the GUID's 16 bytes, its name and its permission elements; per element four lists of patterns, the
// condition and its version. Numbers are uvarints; roles name strings by their number.

// lists are the pattern lists of an element, in the table's order.
func (p *Permission) lists() [4]*[]string {
	return [4]*[]string{&p.Actions, &p.NotActions, &p.DataActions, &p.NotDataActions}
}

// WriteRoles writes a table of built-in roles, which the package embeds; descriptions and scopes are left out.
func WriteRoles(w io.Writer, roles []Role) error {
	f, err := flate.NewWriter(w, flate.BestCompression)
	if err != nil {
		return err
	}
	if _, err := f.Write(encodeRoles(roles)); err != nil {
		return err
	}
	return f.Close()
}

func encodeRoles(roles []Role) []byte {
	texts := textsOf(roles)
	var b []byte
	number := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	text := func(s string) { i, _ := slices.BinarySearch(texts, s); number(i) }
	number(len(texts))
	for _, s := range texts {
		number(len(s))
		b = append(b, s...)
	}
	number(len(roles))
	for i := range roles {
		r := &roles[i]
		b = append(b, r.ID[:]...)
		text(r.Name)
		number(len(r.Permissions))
		for _, p := range r.Permissions {
			for _, list := range p.lists() {
				number(len(*list))
				for _, s := range *list {
					text(s)
				}
			}
			text(p.Condition)
			text(p.ConditionVersion)
		}
	}
	return b
}

// textsOf are the texts in roles, sorted, each once.
func textsOf(roles []Role) []string {
	var texts []string
	for i := range roles {
		texts = append(texts, roles[i].Name)
		for _, p := range roles[i].Permissions {
			texts = append(texts, p.Condition, p.ConditionVersion)
			for _, list := range p.lists() {
				texts = append(texts, *list...)
			}
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// readRoles reads what WriteRoles wrote.
func readRoles(table []byte) ([]Role, error) {
	raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(table)))
	if err != nil {
		return nil, fmt.Errorf("role table: %w", err)
	}
	return decodeRoles(string(raw))
}

// decodeRoles reads a table that is inflated; the roles' texts are parts of it.
func decodeRoles(table string) ([]Role, error) {
	d := decoder{rest: table}
	d.texts = make([]string, d.count())
	for i := range d.texts {
		d.texts[i] = d.take(d.number())
	}
	roles := make([]Role, d.count())
	for i := range roles {
		roles[i] = d.role()
	}
	if d.rest != "" {
		d.err = errTable
	}
	if d.err != nil {
		return nil, d.err
	}
	return roles, nil
}

var errTable = errors.New("role table is damaged")

type decoder struct {
	rest  string
	texts []string
	err   error
}

func (d *decoder) number() int {
	n, shift := 0, 0
	for i := 0; i < len(d.rest) && shift < 63; i++ {
		n |= int(d.rest[i]&0x7f) << shift
		if d.rest[i] < 0x80 {
			d.rest = d.rest[i+1:]
			return n
		}
		shift += 7
	}
	d.err = errTable
	return 0
}

// count is a number of things that each take at least a byte.
func (d *decoder) count() int {
	if n := d.number(); n <= len(d.rest) {
		return n
	}
	d.err = errTable
	return 0
}

func (d *decoder) take(n int) string {
	if n > len(d.rest) {
		d.err = errTable
		n = 0
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) text() string {
	if i := d.number(); i < len(d.texts) {
		return d.texts[i]
	}
	d.err = errTable
	return ""
}

func (d *decoder) role() Role {
	r := Role{BuiltIn: true, AssignableScopes: []azure.ID{azure.Root}}
	copy(r.ID[:], d.take(len(r.ID)))
	r.Name = d.text()
	r.Permissions = make([]Permission, d.count())
	for i := range r.Permissions {
		p := &r.Permissions[i]
		for _, list := range p.lists() {
			*list = make([]string, d.count())
			for j := range *list {
				(*list)[j] = d.text()
			}
		}
		p.Condition, p.ConditionVersion = d.text(), d.text()
	}
	return r
}

// nameKey is what role names are found by.
func nameKey(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
