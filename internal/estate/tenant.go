package estate

import (
	"time"

	"aksid/internal/azure"
)

// Tenant is the tenant of the subscription that a resource lies in; the zero GUID where it is not known.
func (e *Estate) Tenant(id azure.ID) azure.GUID {
	if id.Subscription() == "" {
		return azure.GUID{}
	}
	sub, _ := e.Resource(azure.SubscriptionID(id.Subscription()))
	return guidAt(sub.Doc, "tenantId")
}

// ClusterTenant is the tenant of a cluster: its subscription's, or the one that its identity says.
func (e *Estate) ClusterTenant(c *Cluster) azure.GUID {
	if t := e.Tenant(c.ID); !t.IsZero() {
		return t
	}
	return guidAt(c.Doc, "identity.tenantId")
}

// Application is the application object of a client id, where it is known.
func (e *Estate) Application(client azure.GUID) (Object, bool) {
	o, ok := e.applications[client]
	return o, ok && !client.IsZero()
}

// SecretsEnd is when the last secret or certificate of a client id expires, whether its service principal or its application
// has it; false where none was read.
func (e *Estate) SecretsEnd(client azure.GUID) (time.Time, bool) {
	end := e.applications[client].Ends
	if own := e.byApp[client].Ends; own.After(end) {
		end = own
	}
	return end, !end.IsZero() && !client.IsZero()
}

// ServicePrincipal is the service principal of a client id, where it is known.
func (e *Estate) ServicePrincipal(client azure.GUID) (Object, bool) {
	o, ok := e.byApp[client]
	return o, ok && !client.IsZero()
}
