package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// What AKS itself does to a cluster, when it is asked to, with the rights of the cluster's identity. It cannot be taken back,
// so it is done in a copy of the local Azure that goes afterwards; the local Azure stands in for AKS.

const (
	privateZones = "Microsoft.Network/privateDnsZones"
	vaultKeys    = "Microsoft.KeyVault/vaults/keys"
)

// checked is what AKS checks before each change of a cluster, so no lock matters.
func checked(s *scene) []touch {
	integrated := func(azure.ID) bool { return !s.APIServerSubnet().IsZero() }
	return []touch{
		{typ: estate.TypeRouteTable, verbs: "read write", linked: true, where: func(scope azure.ID) bool { return !s.inNodeGroup(scope) }},
		{typ: typeIdentity, verbs: "assign", linked: true},
		{typ: privateZones, verbs: "read write", linked: true},
		{typ: vaultKeys, verbs: "encrypt decrypt", linked: true},
		{typ: estate.TypeSubnet, verbs: "read join joinLoadBalancer", linked: true, where: integrated},
		{typ: "Microsoft.Compute/capacityReservationGroups", verbs: "read deploy", linked: true},
		{typ: "Microsoft.Compute/hostGroups", verbs: "read", linked: true},
	}
}

// grow is a change that makes nodes. Those of pools of virtual machines join their subnet as the cluster's identity.
func grow(s *scene, pool azure.ID) []touch {
	var joins []azure.ID
	for _, p := range s.Pools() {
		if strings.EqualFold(p.Type, "VirtualMachines") && strings.EqualFold(p.Name, pool.Name()) {
			joins = append(joins, p.Subnet)
		}
	}
	return append(checked(s), touch{typ: estate.TypeSubnet, verbs: "join", linked: true, where: func(scope azure.ID) bool {
		for _, j := range joins {
			if scope.Contains(j) {
				return true
			}
		}
		return false
	}})
}

// poolTargets are the cluster's node pools.
func poolTargets(s *scene) []azure.ID {
	var out []azure.ID
	for _, p := range s.Pools() {
		out = append(out, s.ID.Join("agentPools", p.Name))
	}
	return out
}

// privateName is the zone that the user brought for a private cluster.
func privateName(s *scene) []azure.ID {
	if !s.Private() || s.PrivateZone().IsZero() {
		return nil
	}
	return []azure.ID{s.PrivateZone()}
}

func nameTouches(s *scene, _ azure.ID) []touch {
	return append(checked(s), touch{typ: privateZones + "/A", verbs: "read write"}, touch{typ: privateZones + "/virtualNetworkLinks", verbs: "read write"},
		touch{typ: estate.TypeNetwork, verbs: "join", linked: true})
}

// scaleOut asks for one node more in a pool: az aks nodepool scale.
func scaleOut(ctx context.Context, o *operator, _ *scene, pool azure.ID) error {
	d, err := o.get(ctx, pool)
	if err != nil {
		return err
	}
	properties := mapAt(d, "properties")
	if properties == nil {
		return fmt.Errorf("there is no pool %s", pool.Name())
	}
	count, _ := strconv.Atoi(fmt.Sprint(properties["count"]))
	properties["count"] = count + 1
	return o.putToEnd(ctx, pool, doc{"properties": properties})
}

// upgrade asks for the next version, of the control plane and all pools, or where there is none reconciles the cluster:
// az aks upgrade.
func upgrade(ctx context.Context, o *operator, s *scene, _ azure.ID) error {
	d, err := o.get(ctx, s.ID)
	if err != nil {
		return err
	}
	profile, err := o.get(ctx, s.ID.Join("upgradeProfiles", "default"))
	if err != nil {
		return err
	}
	if to := text(profile, "properties", "controlPlaneProfile", "upgrades", 0, "kubernetesVersion"); to != "" {
		mapAt(d, "properties")["kubernetesVersion"] = to
		for i := range list(d, "properties", "agentPoolProfiles") {
			mapAt(d, "properties", "agentPoolProfiles", i)["orchestratorVersion"] = to
		}
	}
	return o.putToEnd(ctx, s.ID, d)
}

// rename takes the API server's name out of the zone, as if it had another address, and reconciles the cluster.
func rename(ctx context.Context, o *operator, s *scene, zone azure.ID) error {
	host, _, _ := strings.Cut(s.Text("properties.privateFQDN"), ".")
	for _, collection := range []azure.ID{zone.Join("A"), zone.Join("virtualNetworkLinks")} {
		all, err := o.list(ctx, collection)
		if err != nil {
			return err
		}
		for _, d := range all {
			id := idOf(text(d, "id"))
			if strings.HasSuffix(collection.Type(), "/A") && !strings.EqualFold(id.Name(), host) || strings.HasSuffix(collection.Type(), "Links") && !s.linked(d) {
				continue
			}
			if err := o.remove(ctx, id); err != nil {
				return err
			}
		}
	}
	d, err := o.get(ctx, s.ID)
	if err != nil {
		return err
	}
	return o.putToEnd(ctx, s.ID, d)
}

// linked reports whether a zone's link is to a network of the cluster's nodes.
func (s *scene) linked(link doc) bool {
	network := idOf(text(link, "properties", "virtualNetwork", "id"))
	for _, subnet := range s.NodeSubnets() {
		if subnet.Parent().Equal(network) {
			return true
		}
	}
	return false
}

// putToEnd writes a resource and waits until what that sets going has ended.
func (o *operator) putToEnd(ctx context.Context, id azure.ID, body doc) error {
	token, err := o.bearer(ctx)
	if err != nil {
		return err
	}
	return o.CallToEnd(ctx, token, http.MethodPut, local.PathOf(id), body)
}

// manage lets AKS carry out a part, in a copy. The copy is used as long as all that is done in it works.
func (s *scene) manage(ctx context.Context, part part) (Acted, error) {
	if s.copy == nil {
		az, stop, err := s.copies(ctx)
		if err != nil {
			return Acted{}, err
		}
		s.copy, s.dropCopy = &operator{Azure: az}, stop
	}
	begun := time.Now()
	bounded, cancel := context.WithTimeoutCause(ctx, patience, errUnended)
	defer cancel()
	err := part.manage(bounded, s.copy, s, part.target)
	if ctx.Err() != nil {
		return Acted{}, ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = context.Cause(bounded)
	}
	a := managed(err)
	a.Seconds = time.Since(begun).Round(time.Millisecond).Seconds()
	if a.Outcome != Works {
		err = s.leaveCopy()
		return a, err
	}
	return a, nil
}

func (s *scene) leaveCopy() error {
	if s.copy == nil {
		return nil
	}
	s.copy = nil
	return s.dropCopy()
}

// errUnended says that the copy cannot go on with what it began.
var errUnended = fmt.Errorf("AKS has not ended it within %s; is there room in the temporary folder?", patience)

// managed reads how a change ended that AKS was asked for.
func managed(err error) Acted {
	const aks = "AKS"
	if err == nil {
		return Acted{Outcome: Works, By: aks, Calls: 1}
	}
	a := Acted{Outcome: Failed, By: aks, Error: err.Error(), Calls: 1}
	var e *azure.Error
	if !errors.As(err, &e) {
		return a
	}
	r := Refusal{Code: e.Code, Status: e.Status, Message: e.Message}
	r.read()
	if r.Action != "" || rightOf[r.Code] != "" {
		a.Outcome, a.Refused = Refused, []Refusal{r}
	}
	return a
}

// rightOf are the refusals of AKS whose text does not name an action, and the type of the right that is missing.
var rightOf = map[string]string{
	azure.CustomKubeletIdentityMissingPermission.Code: typeIdentity,
	azure.CustomRouteTableMissingPermission.Code:      estate.TypeRouteTable,
	azure.KMSIdentityMissingPermission.Code:           vaultKeys,
}
