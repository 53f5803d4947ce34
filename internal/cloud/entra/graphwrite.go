package entra

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

const (
	secretYears = 2   // how long a new secret is good when the client does not say
	maxName     = 256 // characters of a displayName, a mailNickname, a description
)

// What clients may write. Properties that are not here are refused by name.
type (
	applicationBody struct {
		DisplayName, SignInAudience *string
		KeyCredentials              *[]keyBody
	}
	clientBody struct {
		AppID          string // at creation only
		DisplayName    *string
		AccountEnabled *bool
		KeyCredentials *[]keyBody
	}
	groupBody struct {
		DisplayName, Description, MailNickname *string
		MailEnabled, SecurityEnabled           *bool
	}
	userBody struct {
		DisplayName, MailNickname, UserPrincipalName *string
		AccountEnabled                               *bool
		PasswordProfile                              *struct {
			Password                      string
			ForceChangePasswordNextSignIn bool
		}
	}
)

func (c *graphCall) create() (any, *azure.Error) {
	e := entry{kind: c.kind, p: directory.Principal{
		ID: azure.NewGUID(), Type: c.kind.principal, Created: c.Now().UTC().Truncate(time.Second)}}
	var refused *azure.Error
	switch c.kind.name {
	case "application":
		e.app = directory.App{ID: e.p.ID, AppID: azure.NewGUID(), Created: e.p.Created}
		refused = c.change(&e)
	case "servicePrincipal":
		refused = c.createClient(&e)
	case "user", "group":
		refused = c.change(&e)
	default:
		refused = azure.GraphMethodNotAllowed.Error()
	}
	if refused == nil {
		refused = c.complete(e)
	}
	if refused != nil {
		return nil, refused
	}
	if err := c.put(e); err != nil {
		return nil, c.failed(err, e.id().String())
	}
	return c.single(e), nil
}

// createClient is the service principal of an application that is registered.
func (c *graphCall) createClient(e *entry) *azure.Error {
	body, refused := decodeBody[clientBody](c)
	if refused != nil {
		return refused
	}
	id, err := azure.ParseGUID(body.AppID)
	if err != nil {
		return c.required("appId")
	}
	fields := azure.Fields{"app": id.String()}
	app, err := directory.AppByAppID(c.tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return azure.GraphNoApplication.Format(fields)
	}
	if err == nil {
		if _, err = directory.ByAppID(c.tx, id); err == nil {
			return azure.GraphNameInUse.Format(fields)
		}
	}
	if !errors.Is(err, store.ErrNotFound) {
		return c.failed(err, body.AppID)
	}
	e.p.AppID, e.p.Kind, e.p.DisplayName = id, directory.Application, app.DisplayName
	return c.setClient(e, body)
}

func (c *graphCall) update() (any, *azure.Error) {
	e, err := c.lookup(c.kind, c.id)
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	c.kind = e.kind
	if refused := c.change(&e); refused != nil {
		return nil, refused
	}
	return nil, c.saved(e)
}

// saved writes an object that was changed.
func (c *graphCall) saved(e entry) *azure.Error {
	if err := c.put(e); err != nil {
		return c.failed(err, e.id().String())
	}
	return nil
}

func (c *graphCall) put(e entry) error {
	if e.kind == applications {
		return directory.PutApp(c.tx, e.app)
	}
	return directory.Put(c.tx, e.p)
}

// change sets the properties of the body.
func (c *graphCall) change(e *entry) *azure.Error {
	switch e.kind.name {
	case "application":
		body, refused := decodeBody[applicationBody](c)
		if audience := body.SignInAudience; refused == nil && audience != nil && *audience != signInAudience {
			refused = c.invalid("signInAudience")
		}
		if refused == nil {
			refused = firstError(c.setText(&e.app.DisplayName, "displayName", body.DisplayName), c.setCertificates(&e.app.Certificates, body.KeyCredentials))
		}
		return refused
	case "servicePrincipal":
		body, refused := decodeBody[clientBody](c)
		if refused == nil && body.AppID != "" {
			refused = c.invalid("appId")
		}
		if refused == nil {
			refused = c.setClient(e, body)
		}
		return refused
	case "user":
		return c.changeUser(&e.p)
	}
	return c.changeGroup(&e.p)
}

func (c *graphCall) setClient(e *entry, body clientBody) *azure.Error {
	setEnabled(&e.p, body.AccountEnabled)
	return firstError(c.setText(&e.p.DisplayName, "displayName", body.DisplayName), c.setCertificates(&e.p.Certificates, body.KeyCredentials))
}

// upnShape is what a userPrincipalName looks like.
var upnShape = regexp.MustCompile(`^[^@\s'"/()]{1,64}@[^@\s'"/()]{1,48}$`)

func (c *graphCall) changeUser(p *directory.Principal) *azure.Error {
	body, refused := decodeBody[userBody](c)
	if refused != nil {
		return refused
	}
	setEnabled(p, body.AccountEnabled)
	if c.password != nil {
		p.Password = c.password
	}
	if upn := body.UserPrincipalName; upn != nil && !strings.EqualFold(*upn, p.UPN) {
		if !upnShape.MatchString(*upn) {
			return c.invalid("userPrincipalName")
		}
		if _, err := directory.ByUPN(c.tx, *upn); err == nil {
			return azure.GraphKeyInUse.Format(azure.Fields{"property": "userPrincipalName"})
		} else if !errors.Is(err, store.ErrNotFound) {
			return c.failed(err, *upn)
		}
		p.UPN = *upn
	}
	return firstError(
		c.setText(&p.DisplayName, "displayName", body.DisplayName),
		c.setText(&p.Nickname, "mailNickname", body.MailNickname))
}

// changeGroup knows security groups alone: others do not matter to role assignments.
func (c *graphCall) changeGroup(p *directory.Principal) *azure.Error {
	body, refused := decodeBody[groupBody](c)
	switch {
	case refused != nil:
		return refused
	case body.MailEnabled != nil && *body.MailEnabled:
		return c.invalid("mailEnabled")
	case body.SecurityEnabled != nil && !*body.SecurityEnabled:
		return c.invalid("securityEnabled")
	}
	return firstError(
		c.setText(&p.DisplayName, "displayName", body.DisplayName),
		c.setText(&p.Nickname, "mailNickname", body.MailNickname),
		c.setText(&p.Description, "description", body.Description))
}

// complete checks that an object has what its kind must have.
func (c *graphCall) complete(e entry) *azure.Error {
	name := e.p.DisplayName
	if e.kind == applications {
		name = e.app.DisplayName
	}
	switch {
	case name == "":
		return c.required("displayName")
	case e.kind.principal == directory.User && e.p.UPN == "":
		return c.required("userPrincipalName")
	case e.kind.principal == directory.User && e.p.Nickname == "", e.kind.principal == directory.Group && e.p.Nickname == "":
		return c.required("mailNickname")
	}
	return nil
}

func (c *graphCall) setText(target *string, property string, value *string) *azure.Error {
	if value == nil {
		return nil
	}
	if len([]rune(*value)) > maxName {
		return c.invalid(property)
	}
	*target = *value
	return nil
}

func setEnabled(p *directory.Principal, enabled *bool) {
	if enabled != nil {
		p.Disabled = !*enabled
	}
}

func firstError(all ...*azure.Error) *azure.Error {
	for _, e := range all {
		if e != nil {
			return e
		}
	}
	return nil
}

// remove deletes an object. A managed identity goes with its resource only.
func (c *graphCall) remove() (any, *azure.Error) {
	e, err := c.lookup(c.kind, c.id)
	switch {
	case err != nil:
	case e.kind == applications:
		err = directory.DeleteApp(c.tx, e.app)
	case e.p.Kind == directory.ManagedIdentity:
		return nil, azure.GraphRequestDenied.Error()
	default:
		err = directory.Delete(c.tx, e.p.ID)
	}
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	return nil, nil
}

// holder finds an object that can have secrets, and them.
func (c *graphCall) holder() (e *entry, secrets *[]directory.Secret, refused *azure.Error) {
	found, err := c.lookup(c.kind, c.id)
	e = &found
	switch {
	case err != nil:
		return nil, nil, c.failed(err, c.id)
	case e.kind == applications:
		return e, &e.app.Secrets, nil
	case e.kind.principal != directory.ServicePrincipal:
		return nil, nil, azure.GraphSegmentNotFound.Format(azure.Fields{"segment": c.path[strings.LastIndexByte(c.path, '/')+1:]})
	case e.p.Kind == directory.ManagedIdentity:
		return nil, nil, azure.GraphRequestDenied.Error()
	}
	return e, &e.p.Secrets, nil
}

func (c *graphCall) addPassword() (any, *azure.Error) {
	body, refused := decodeBody[struct {
		PasswordCredential struct {
			DisplayName                string
			StartDateTime, EndDateTime time.Time
		}
	}](c)
	if refused != nil {
		return nil, refused
	}
	e, secrets, refused := c.holder()
	if refused != nil {
		return nil, refused
	}
	ask := body.PasswordCredential
	now := c.Now().UTC().Truncate(time.Second)
	if ask.StartDateTime.IsZero() {
		ask.StartDateTime = now
	}
	if ask.EndDateTime.IsZero() {
		ask.EndDateTime = now.AddDate(secretYears, 0, 0)
	}
	if !ask.StartDateTime.Before(ask.EndDateTime) {
		return nil, c.invalid("endDateTime")
	}
	if len([]rune(ask.DisplayName)) > maxName {
		return nil, c.invalid("displayName")
	}
	text, secret := directory.NewSecret(ask.DisplayName, ask.StartDateTime, ask.EndDateTime)
	*secrets = append(*secrets, secret)
	answer := showSecret(secret, text)
	answer["@odata.context"] = c.context("microsoft.graph.passwordCredential")
	return answer, c.saved(*e)
}

func (c *graphCall) removePassword() (any, *azure.Error) {
	body, refused := decodeBody[struct{ KeyID string }](c)
	if refused != nil {
		return nil, refused
	}
	e, secrets, refused := c.holder()
	if refused != nil {
		return nil, refused
	}
	before := len(*secrets)
	*secrets = slices.DeleteFunc(*secrets, func(s directory.Secret) bool { return strings.EqualFold(s.ID.String(), body.KeyID) })
	if len(*secrets) == before {
		return nil, azure.GraphNoSuchKey.Error()
	}
	return nil, c.saved(*e)
}

// reference is the object that a body refers to: {"@odata.id": "https://…/directoryObjects/{id}"}. No application is meant.
func (c *graphCall) reference(property string) (directory.Principal, *azure.Error) {
	var reference struct {
		ID string `json:"@odata.id"`
	}
	if err := json.Unmarshal(c.body, &reference); err != nil {
		return directory.Principal{}, azure.GraphBody.Error()
	}
	parts := segments(reference.ID)
	if len(parts) == 0 {
		return directory.Principal{}, c.required("@odata.id")
	}
	name := parts[len(parts)-1]
	found, err := c.lookup(directoryObjects, name)
	switch {
	case err != nil:
		return found.p, c.failed(err, name)
	case found.kind == applications:
		return found.p, c.invalid(property)
	}
	return found.p, nil
}

func (c *graphCall) addOwner() (any, *azure.Error) {
	id, refused := c.ownable()
	if refused != nil {
		return nil, refused
	}
	owner, refused := c.reference("owners")
	if refused != nil {
		return nil, refused
	}
	if owner.Type == directory.Group { // groups own nothing
		return nil, c.invalid("owners")
	}
	o := directory.Ownership{Object: id, Owner: owner.ID}
	owns, err := directory.Owns(c.tx, o)
	switch {
	case owns:
		return nil, azure.GraphReferenceExists.Format(azure.Fields{"property": "owners"})
	case err == nil:
		err = directory.AddOwner(c.tx, o)
	}
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	return nil, nil
}

func (c *graphCall) removeOwner() (any, *azure.Error) {
	id, refused := c.ownable()
	if refused != nil {
		return nil, refused
	}
	owner, err := azure.ParseGUID(c.member)
	if err != nil {
		return nil, azure.GraphInvalidID.Format(azure.Fields{"id": c.member})
	}
	if err := directory.RemoveOwner(c.tx, directory.Ownership{Object: id, Owner: owner}); err != nil {
		return nil, c.failed(err, c.member)
	}
	return nil, nil
}

func (c *graphCall) addMember() (any, *azure.Error) {
	group, refused := c.subject()
	if refused != nil {
		return nil, refused
	}
	member, refused := c.reference("members")
	if refused != nil {
		return nil, refused
	}
	if member.ID == group.ID {
		return nil, c.invalid("members")
	}
	m, err := directory.GetMember(c.tx, group.ID, member.ID)
	switch {
	case err == nil && !m.Ended():
		return nil, azure.GraphReferenceExists.Format(azure.Fields{"property": "members"})
	case err == nil && c.Now().Before(m.Until): // it still counts, and goes on
		m.Until = time.Time{}
	case err == nil || errors.Is(err, store.ErrNotFound):
		m = directory.Membership{Group: group.ID, Member: member.ID, From: c.joining()}
	default:
		return nil, c.failed(err, member.ID.String())
	}
	if err := directory.AddMember(c.tx, m); err != nil {
		return nil, c.failed(err, member.ID.String())
	}
	return nil, nil
}

// joining is when a membership that is made or removed now begins to count, or not to; zero: at once, for everybody.
func (c *graphCall) joining() time.Time {
	if c.Joining == 0 && c.GroupsOf == nil {
		return time.Time{}
	}
	return c.Now().Add(c.Joining).UTC()
}

func (c *graphCall) removeMember() (any, *azure.Error) {
	group, refused := c.subject()
	if refused != nil {
		return nil, refused
	}
	member, err := azure.ParseGUID(c.member)
	if err != nil {
		return nil, azure.GraphInvalidID.Format(azure.Fields{"id": c.member})
	}
	m, err := directory.GetMember(c.tx, group.ID, member)
	if err == nil && m.Ended() {
		err = store.ErrNotFound
	}
	if err == nil {
		err = c.endMember(m)
	}
	if err != nil {
		return nil, c.failed(err, c.member)
	}
	return nil, nil
}

// endMember removes a membership, which may count for a while yet.
func (c *graphCall) endMember(m directory.Membership) error {
	if m.Until = c.joining(); m.Until.IsZero() {
		return directory.RemoveMember(c.tx, m.Group, m.Member)
	}
	return directory.AddMember(c.tx, m)
}
