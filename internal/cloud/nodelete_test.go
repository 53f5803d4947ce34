package cloud_test

import "testing"

// TestNoDelete asks for a delete of what can only be written: the answer is that there is no such method, not success.
func TestNoDelete(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	for _, id := range []string{
		"/providers/Microsoft.KeyVault/vaults/v/secrets/s",
		"/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/" + guid(),
		"/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/" + guid(),
	} {
		w.operator.delete(rg+id).refused(405, "HttpMethodNotAllowed", "'DELETE'")
	}
	w.operator.delete(rg + "/providers/Microsoft.Authorization/roleAssignments/" + guid()).ok(204)
}
