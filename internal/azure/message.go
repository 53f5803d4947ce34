package azure

import "strings"

// Message is an error text of Azure, written once: the local Azure fills it in, the explainer scans for it.
// Text has its variable parts as {name}.
type Message struct {
	Status int // HTTP status code of the answer that carries it
	Code   string
	Text   string
	Source string // the document or recording it was taken from
}

// Fields are the variable parts of a Message by name.
type Fields = map[string]string

// Format fills the text in. A field that is not given stays visible as {name}.
func (m *Message) Format(f Fields) *Error {
	var b strings.Builder
	text := m.Text
	for {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		end := strings.IndexByte(text[open:], '}')
		if end < 0 {
			break
		}
		b.WriteString(text[:open])
		if v, ok := f[text[open+1:open+end]]; ok {
			b.WriteString(v)
		} else {
			b.WriteString(text[open : open+end+1])
		}
		text = text[open+end+1:]
	}
	b.WriteString(text)
	return &Error{Status: m.Status, Code: m.Code, Message: b.String()}
}

// Error is the message without variable parts.
func (m *Message) Error() *Error { return m.Format(nil) }
