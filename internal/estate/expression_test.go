package estate

import "testing"

// A name of which a part is only known to the deployment is an expression for it, and short for a person.
func TestNameExpression(t *testing.T) {
	long := "acr{uniqueString('x', uniqueString(subscription().id, '19700101T000000Z'))}1"
	for name, want := range map[string][2]string{
		"acr12":                                  {"'acr12'", "acr12"},
		"it's":                                   {"'it''s'", "it's"},
		"aks-{uniqueString(resourceGroup().id)}": {"format('aks-{0}', uniqueString(resourceGroup().id))", "aks-{uniqueString(resourceGroup().id)}"},
		"{parameters('name')}":                   {"parameters('name')", "{parameters('name')}"},
		"{parameters('a')}-{parameters('b')}":    {"format('{0}-{1}', parameters('a'), parameters('b'))", "{parameters('a')}-{parameters('b')}"},
		"{format('{0}%2Fx', parameters('a'))}":   {"format('{0}/x', parameters('a'))", "{format('{0}%2Fx', parameters('a'))}"},
		long:                                     {"format('acr{0}1', uniqueString('x', uniqueString(subscription().id, '19700101T000000Z')))", "acr{…}1"},
		"{uniqueString('abc…123}":                {"", "{uniqueString('abc…123}"},
		"a{b":                                    {"", "a{b"},
	} {
		if got := nameExpression(name); got != want[0] {
			t.Errorf("%s is %s, want %s", name, got, want[0])
		}
		if got := readable(name); got != want[1] {
			t.Errorf("%s reads %s, want %s", name, got, want[1])
		}
	}
}
