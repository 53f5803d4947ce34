package provider

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// maxMoved is how many resources one request may move (Microsoft Learn: Move Azure resources).
const maxMoved = 800

// unmoved are the types that Azure does not move to another group, unmovedAbroad those of which it does not move the
// standard SKU to another subscription (Microsoft Learn: Move operation support for resources).
var (
	unmoved = types(typeCluster, typeIdentity, typeDES, typeHostGroup, typeGateway, typeDDoSPlan, typeNATGateway, typeLinkService, typeAlert)

	unmovedAbroad = types(typeLoadBalancer)
)

func types(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[lower(name)] = true
	}
	return set
}

// moves are the actions of a resource group that move what is in it, or only say whether it could be moved
// (Resources_MoveResources and Resources_ValidateMoveResources, api-version 2021-04-01).
func moves() map[string]arm.Action {
	return map[string]arm.Action{
		"moveresources": {Do: acceptMove, Write: true, RBAC: azure.TypeResourceGroup + "/moveResources/action", Then: []arm.Step{move}},
		"validatemoveresources": {Do: acceptMove, Write: true, RBAC: azure.TypeResourceGroup + "/validateMoveResources/action",
			Then: []arm.Step{func(c *arm.Call) (time.Duration, *azure.Error) { return 0, validateMove(c) }}},
	}
}

// acceptMove is what is refused at once: a malformed request, a target that is not there or locked, and a caller who
// may not write what comes there.
func acceptMove(c *arm.Call) (any, *azure.Error) {
	m, err := readMove(c)
	if err != nil {
		return nil, err
	}
	for _, id := range m.Resources {
		if err := c.Authorize(azure.Action(id.Type()+"/write"), m.Target(id)); err != nil {
			return nil, err
		}
		if err := c.Unlocked(id); err != nil {
			return nil, err
		}
	}
	return nil, c.Unlocked(m.Group)
}

// readMove is the request's body.
func readMove(c *arm.Call) (arm.Move, *azure.Error) {
	bad := func(format string, args ...any) (arm.Move, *azure.Error) {
		return arm.Move{}, azure.InvalidContent.Format(azure.Fields{"cause": fmt.Sprintf(format, args...)})
	}
	group, err := azure.ParseID(arm.Str(c.Body, "targetResourceGroup"))
	if err != nil || !strings.EqualFold(group.Type(), azure.TypeResourceGroup) {
		return bad("'targetResourceGroup' must be the id of a resource group")
	}
	if group.Equal(c.ID) {
		return bad("the source and the target resource group are the same")
	}
	doc, err := c.Load(group)
	if err != nil {
		return arm.Move{}, arm.Fault(err)
	}
	if doc == nil {
		return arm.Move{}, azure.ResourceGroupNotFound.Format(azure.Fields{"group": group.Name()})
	}
	m := arm.Move{Group: azure.MustID(arm.Str(doc, "id"))}
	all := arm.List(c.Body, "resources")
	if len(all) == 0 || len(all) > maxMoved {
		return bad("'resources' must have between 1 and %d ids", maxMoved)
	}
	for _, v := range all {
		s, _ := v.(string)
		id, err := azure.ParseID(s)
		if err != nil || !id.GroupID().Equal(c.ID) || id.Type() == "" || id.Equal(c.ID) {
			return bad("'%v' is not the id of a resource in the resource group '%s'", v, c.ID.Name())
		}
		if strings.Count(id.Type(), "/") != 1 {
			return bad("'%s' moves with its parent only", s)
		}
		if !m.Has(id) {
			m.Resources = append(m.Resources, id)
		}
	}
	return m, nil
}

// move is the whole of it: what was accepted may have changed since.
func move(c *arm.Call) (time.Duration, *azure.Error) {
	if err := validateMove(c); err != nil {
		return 0, err
	}
	m, err := readMove(c)
	if err != nil {
		return 0, err
	}
	return 0, c.Relocate(m)
}

// validateMove is what the resource providers say, all of it at once.
func validateMove(c *arm.Call) *azure.Error {
	m, err := readMove(c)
	if err != nil {
		return err
	}
	var details []*azure.Error
	for _, id := range m.Resources {
		stays, err := movable(c, m, id)
		if err != nil {
			return arm.Fault(err)
		}
		if stays != nil {
			details = append(details, stays)
		}
	}
	if details == nil {
		return nil
	}
	refused := azure.ResourceMoveFailed.Format(azure.Fields{"time": c.Now.Format("20060102T150405Z"), "subscription": c.ID.Subscription(),
		"id": c.RequestID, "correlation": c.Correlation})
	refused.Details = details
	return refused
}

// movable says why a resource cannot be moved.
func movable(c *arm.Call, m arm.Move, id azure.ID) (*azure.Error, error) {
	doc, err := c.Load(id)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return azure.ResourceNotFound.Format(azure.Fields{"resource": id.Type() + "/" + id.Name(), "group": c.ID.Name()}), nil
	}
	typ := arm.Str(doc, "type")
	elsewhere := !strings.EqualFold(c.ID.Subscription(), m.Group.Subscription())
	if arm.Str(doc, "location") == "" || unmoved[lower(typ)] || elsewhere && unmovedAbroad[lower(typ)] && strings.EqualFold(arm.Str(doc, "sku.name"), "Standard") {
		stays := azure.ResourceMoveNotSupported.Format(azure.Fields{"type": typ})
		stays.Target = id.String()
		return stays, nil
	}
	if arm.Str(doc, "_.operation") != "" {
		return because(azure.MoveResourcesHavePendingOperations.Error(), typ, listed([]azure.ID{id})...), nil
	}
	there, err := c.Load(m.Target(id))
	if err != nil {
		return nil, err
	}
	if there != nil {
		return because(azure.CannotMoveResource.Error(), typ, azure.ResourceMoveConflict.Format(azure.Fields{"id": m.Target(id).String()})), nil
	}
	bound, err := c.Bound(m, id)
	if err != nil || len(bound) == 0 {
		return nil, err
	}
	return because(azure.MissingMoveDependentResources.Error(), typ, listed(bound)...), nil
}

// listed are the resources that a refusal is about, each once, as the network provider lists them.
func listed(bound []azure.ID) []*azure.Error {
	slices.SortFunc(bound, func(a, b azure.ID) int { return strings.Compare(a.Key(), b.Key()) })
	var out []*azure.Error
	for _, id := range slices.CompactFunc(bound, azure.ID.Equal) {
		out = append(out, &azure.Error{Code: "0", Message: id.String()})
	}
	return out
}

func because(e *azure.Error, target string, details ...*azure.Error) *azure.Error {
	e.Target, e.Details = target, details
	return e
}
