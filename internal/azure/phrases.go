package azure

import "slices"

// Phrases finds any of a fixed set of phrases in a text, all in one pass (Aho and Corasick). Only ASCII letters and
// digits count, without case: line breaks, indentation, quotes, escapes and box drawing between and inside words do
// not matter. A found phrase begins and ends at the border of a word.
type Phrases struct {
	next  []uint16  // state*symbols + symbol → state
	ends  [][]int32 // state → the phrases that end there, longest first
	runes []int32   // phrase → its length in symbols
}

// Hit is a phrase that was found, and where it stands in the text.
type Hit struct{ Phrase, Start, End int }

const symbols = 36

// symbol numbers letters and digits from 0; -1 is everything else.
var symbol = func() (t [256]int8) {
	for i := range t {
		switch c := byte(i); {
		case c >= '0' && c <= '9':
			t[i] = int8(26 + c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			t[i] = int8(c | 0x20 - 'a')
		default:
			t[i] = -1
		}
	}
	return t
}()

// letters are the symbols of a text.
func letters(text string) []byte {
	var b []byte
	for i := 0; i < len(text); i++ {
		if s := symbol[text[i]]; s >= 0 {
			b = append(b, byte(s))
		}
	}
	return b
}

// NewPhrases prepares phrases; a Hit names them by their index. A phrase without letters is never found.
func NewPhrases(phrases []string) *Phrases {
	p := &Phrases{next: make([]uint16, symbols), ends: make([][]int32, 1)}
	for i, phrase := range phrases {
		symbolsOf := letters(phrase)
		p.runes = append(p.runes, int32(len(symbolsOf)))
		if len(symbolsOf) > 0 {
			p.add(int32(i), symbolsOf)
		}
	}
	p.link()
	return p
}

func (p *Phrases) add(id int32, phrase []byte) {
	state := 0
	for _, s := range phrase {
		to := &p.next[state*symbols+int(s)]
		if *to == 0 {
			if len(p.ends) > 0xffff {
				panic("azure: too many phrases for one automaton")
			}
			*to = uint16(len(p.ends))
			state = len(p.ends)
			p.ends = append(p.ends, nil)
			p.next = append(p.next, make([]uint16, symbols)...)
			continue
		}
		state = int(*to)
	}
	p.ends[state] = append(p.ends[state], id)
}

// link turns the tree into an automaton: where a state has no way on, it takes that of its longest suffix.
func (p *Phrases) link() {
	suffix := make([]uint16, len(p.ends))
	queue := []int{0}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		for s := range symbols {
			at := state*symbols + s
			fallback := uint16(0)
			if state != 0 {
				fallback = p.next[int(suffix[state])*symbols+s]
			}
			child := p.next[at]
			if child == 0 {
				p.next[at] = fallback
				continue
			}
			suffix[child] = fallback
			p.ends[child] = append(slices.Clip(p.ends[child]), p.ends[fallback]...)
			queue = append(queue, int(child))
		}
	}
}

// Any reports whether a phrase may occur in a text, without regard to the borders of words. Escapes as \n and \u001b[31m
// do not count as letters.
func (p *Phrases) Any(text []byte) bool {
	state := 0
	for i := 0; i < len(text); i++ {
		s := symbol[text[i]]
		if s < 0 {
			if text[i] == '\\' {
				i += escape(text[i+1:])
			}
			continue
		}
		if state = int(p.next[state*symbols+int(s)]); p.ends[state] != nil {
			return true
		}
	}
	return false
}

// escape is how long the letters are that belong to a backslash before text.
func escape(text []byte) int {
	switch {
	case len(text) == 0:
		return 0
	case text[0] == 'n' || text[0] == 'r' || text[0] == 't':
		return 1
	case text[0] != 'u' || len(text) < 5:
		return 0
	}
	n := 5
	if n < len(text) && text[n] == '[' { // a terminal's colour
		for n++; n < len(text) && (text[n] == ';' || text[n] >= '0' && text[n] <= '9'); n++ {
		}
		n++
	}
	return min(n, len(text))
}

// Find returns what occurs in a text, in the order of the phrases' ends; of two with one end, the longer first.
func (p *Phrases) Find(text string) []Hit {
	var hits []Hit
	places := make([]int32, 0, len(text))
	state := 0
	for i := 0; i < len(text); i++ {
		s := symbol[text[i]]
		if s < 0 {
			continue
		}
		places = append(places, int32(i))
		state = int(p.next[state*symbols+int(s)])
		if p.ends[state] == nil || i+1 < len(text) && symbol[text[i+1]] >= 0 {
			continue
		}
		for _, id := range p.ends[state] {
			start := int(places[len(places)-int(p.runes[id])])
			if start == 0 || symbol[text[start-1]] < 0 {
				hits = append(hits, Hit{int(id), start, i + 1})
			}
		}
	}
	return hits
}
