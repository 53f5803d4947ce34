package drill

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
)

// Paths of the door at which an API server asks who somebody is, and what they may.
const (
	usersPath  = "kubernetes/users"
	accessPath = "kubernetes/access"
)

// entra is how a cluster's API server knows users of Entra; nil where it does not.
func entra(c *estate.Cluster, door string) *act.Entra {
	if !c.Flag("properties.aadProfile.managed") {
		return nil
	}
	e := &act.Entra{Users: door + usersPath, Only: c.Flag("properties.disableLocalAccounts")}
	if c.Flag("properties.aadProfile.enableAzureRBAC") {
		e.Access = door + accessPath
	}
	for _, id := range c.List("properties.aadProfile.adminGroupObjectIDs") {
		e.Admins = append(e.Admins, fmt.Sprint(id))
	}
	return e
}

// tokenReview and accessReview are Kubernetes' own (authentication.k8s.io/v1, authorization.k8s.io/v1), as far as they matter here.
type tokenReview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Token string `json:"token"`
	} `json:"spec"`
	Status struct {
		Authenticated bool   `json:"authenticated"`
		User          *user  `json:"user,omitempty"`
		Error         string `json:"error,omitempty"`
	} `json:"status"`
}

type user struct {
	Name   string              `json:"username"`
	UID    string              `json:"uid"`
	Groups []string            `json:"groups"`
	Extra  map[string][]string `json:"extra"`
}

type accessReview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Resource *struct {
			Namespace, Verb, Group, Resource, Subresource string
		} `json:"resourceAttributes"`
		Other *struct {
			Path, Verb string
		} `json:"nonResourceAttributes"`
		User  string              `json:"user"`
		Extra map[string][]string `json:"extra"`
	} `json:"spec"`
	Status struct {
		Allowed bool   `json:"allowed"`
		Reason  string `json:"reason,omitempty"`
	} `json:"status"`
}

// objectID is the name under which AKS's webhook keeps a user's object id.
const objectID = "oid"

// reviewToken says whose token an API server was shown.
func (d *door) reviewToken(w http.ResponseWriter, r *http.Request) {
	var review tokenReview
	if !readReview(w, r, &review) {
		return
	}
	u, err := d.azure.KubernetesUser(r.Context(), review.Spec.Token)
	review.Spec.Token = ""
	if err != nil {
		review.Status.Error = err.Error()
	} else {
		review.Status.Authenticated = true
		review.Status.User = &user{Name: u.Name, UID: u.ID.String(), Groups: []string{}, Extra: map[string][]string{objectID: {u.ID.String()}}}
		for _, g := range u.Groups {
			review.Status.User.Groups = append(review.Status.User.Groups, g.String())
		}
	}
	_ = json.NewEncoder(w).Encode(review)
}

// Answers of AKS's webhook (kubeguard/guard, authz/providers/azure).
const (
	notAllowed = "User does not have access to the resource in Azure. Update role assignment to allow access."
	noOpinion  = "Azure does not have opinion for this non AAD user. If you are an AAD user, please set Extra:oid parameter for impersonated user in the kubeconfig"
	byAzure    = "Access allowed by Azure RBAC Role Assignment %s of Role %s to user %s"
)

// reviewAccess asks Azure RBAC for a user of Entra; of others it has no opinion.
func (d *door) reviewAccess(w http.ResponseWriter, r *http.Request) {
	var review accessReview
	if !readReview(w, r, &review) {
		return
	}
	defer func() { _ = json.NewEncoder(w).Encode(&review) }()
	var who azure.PrincipalID
	if ids := review.Spec.Extra[objectID]; len(ids) == 1 {
		who, _ = azure.ParseGUID(ids[0])
	}
	if who.IsZero() {
		review.Status.Reason = noOpinion
		return
	}
	action, scope, why := review.asked(d.cluster)
	if why != "" {
		review.Status.Reason = why
		return
	}
	access, err := d.azure.KubernetesAccess(r.Context(), who, action, scope)
	switch {
	case err != nil:
		review.Status.Reason = err.Error()
	case access.Allowed:
		review.Status.Allowed, review.Status.Reason = true, fmt.Sprintf(byAzure, access.Assignment.Name(), access.Role, review.Spec.User)
	default:
		review.Status.Reason = notAllowed
	}
}

// readReview reads the request of a webhook.
func readReview(w http.ResponseWriter, r *http.Request, into any) bool {
	const most = 1 << 20
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(into); err != nil {
		http.Error(w, "the review is not understood", http.StatusBadRequest)
		return false
	}
	return true
}

// asked is the data action that a review is about, and where, as AKS's webhook makes it (guard, checkaccessreqhelper.go); or why
// there is none.
func (a *accessReview) asked(cluster azure.ID) (action azure.Action, scope azure.ID, why string) {
	if o := a.Spec.Other; o != nil {
		return azure.Action(path.Join(estate.TypeCluster, o.Path, actionOf(o.Verb))), cluster, ""
	}
	r := a.Spec.Resource
	switch {
	case r == nil:
		return "", azure.ID{}, "the review names nothing"
	case r.Resource == "*" || r.Group == "*" || r.Verb == "*":
		return "", azure.ID{}, fmt.Sprintf("Wildcard support for Resource/Verb/Group is not enabled for request Group: %s, Resource: %s, Verb: %s", r.Group, r.Resource, r.Verb)
	}
	end := path.Join(r.Resource, actionOf(r.Verb))
	if r.Resource == "pods" && r.Subresource == "exec" {
		end = "pods/exec/action"
	}
	if r.Namespace != "" {
		cluster = cluster.Join("namespaces", r.Namespace)
	}
	return azure.Action(path.Join(estate.TypeCluster, r.Group, end)), cluster, ""
}

// actionOf is the last part of the data action that a verb of Kubernetes takes.
func actionOf(verb string) string {
	switch verb = strings.ToLower(verb); verb {
	case "get", "list", "watch":
		return "read"
	case "create", "patch", "update":
		return "write"
	case "delete", "deletecollection":
		return "delete"
	case "bind", "escalate", "use", "impersonate":
		return verb + "/action"
	}
	return ""
}
