package template

import (
	"testing"

	"aksid/internal/azure"
)

// Results of ARM's own engine, as published in Bicep's tests and in terraform-provider-azapi's.
func TestUniqueString(t *testing.T) {
	for text, want := range map[string]string{
		"snap-crackle-pop": "byghxckddilkc",
		"asd-asdf-asdf":    "iizpqit7ih3cc",
		"fu":               "6rkxbspxjmsho",
		"fubar":            "cj2xpqsiwjfne",
		"fu-bar":           "q5wxoscxs5j6k",
		"/subscriptions/00000000-0000-0000-0000-000000000000-resource-id":         "cwvxuqg24sifi",
		"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myRg": "js26ofeqkqeve",
		"/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/myRg": "pwt7yebfrftwu",
		"/subscriptions/1ec1dd71-d88e-465d-95e2-4996c828833a/resourceGroups/myRg": "jztimcr36svny",
	} {
		if got := uniqueString(text); got != want {
			t.Errorf("uniqueString(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestNameGUID(t *testing.T) {
	for text, want := range map[string]string{
		"foo-bar-baz": "2ed86837-7c7c-5eaa-9864-dd077fd19b0d",
		"asdf":        "228d27cc-6fdb-5934-b7ac-1efccebade04",
	} {
		if got := azure.NamedGUID(text).String(); got != want {
			t.Errorf("NamedGUID(%q) = %s, want %s", text, got, want)
		}
	}
}
