package act

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// ServiceUID is the UID of a drill's service: the same in every run, so that what is left of one is known again. The provider
// names what belongs to a service after its first 31 digits.
func ServiceUID(cluster, name string) string {
	h := sha256.Sum256([]byte(cluster + "\n" + name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// LoadBalancerName is what Kubernetes calls the load balancer of a service (k8s.io/cloud-provider, DefaultLoadBalancerName): the
// names of its frontends, rules and addresses contain it.
func LoadBalancerName(uid string) string {
	const most = 32
	name := "a" + strings.ReplaceAll(uid, "-", "")
	return name[:min(len(name), most)]
}
