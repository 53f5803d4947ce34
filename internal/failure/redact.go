package failure

import "regexp"

// secrets are what must not be printed back, wherever it was pasted: tokens, keys, signatures, client secrets.
var secrets = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*` + // JSON web tokens
	`|(?i:(?:sig|sv|se|accountkey|sharedaccesskey|password|client_secret|secret)=)[^&;\s"']+` +
	`|[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{20,}` + // client secrets of Entra
	`|[A-Za-z0-9+/]{40,}={1,2}`) // keys in base64

const redacted = "<redacted>"

func hide(s string) string { return secrets.ReplaceAllString(s, redacted) }

// redact hides secrets in everything that is taken from the text.
func (f *Failure) redact() {
	for _, s := range []*string{&f.Code, &f.Client, &f.ObjectID, &f.Target} {
		*s = hide(*s)
	}
	for _, list := range [][]string{f.Actions, f.Scopes, f.LinkedScopes} {
		for i := range list {
			list[i] = hide(list[i])
		}
	}
	for i, n := range f.needs {
		f.needs[i] = need{hide(n.action), hide(n.scope), n.absent}
	}
	if f.Federation != nil {
		f.Federation = &Federation{hide(f.Federation.Issuer), hide(f.Federation.Subject), hide(f.Federation.Audience)}
	}
	if f.Deny != nil {
		f.Deny = &Deny{hide(f.Deny.Name), hide(f.Deny.ID), hide(f.Deny.Scope)}
	}
}
