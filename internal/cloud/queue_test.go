package cloud_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
)

const storageAudience = "https://storage.azure.com"

// account makes a storage account.
func (w *world) account(group, name string, properties obj) string {
	w.Helper()
	id := group + "/providers/Microsoft.Storage/storageAccounts/" + name
	w.operator.put(id, obj{"location": "westeurope", "kind": "StorageV2", "sku": obj{"name": "Standard_LRS"}, "properties": properties}).ok(200)
	return id
}

func (c *credential) queue(t *testing.T, account, queue string) *azqueue.QueueClient {
	t.Helper()
	client, err := azqueue.NewQueueClient("https://"+account+".queue.core.windows.net/"+queue, c, &azqueue.ClientOptions{ClientOptions: c.w.sdk()})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestQueue drives a queue with the official client: messages come in order, hide, come back, expire, and survive a restart.
func TestQueue(t *testing.T) {
	w := newWorld(t)
	id := w.account(w.group(w.platform, "rg"), "freightstore", nil)
	u := w.application("u")
	w.give(u.id, "Storage Queue Data Contributor", id)
	q := w.as(u).queue(t, "freightstore", "orders")
	ctx := t.Context()
	_, err := q.EnqueueMessage(ctx, "early", nil)
	wantCode(t, "404 QueueNotFound", err)
	_, err = q.Create(ctx, &azqueue.CreateOptions{Metadata: map[string]*string{"team": to.Ptr("freight")}})
	wantCode(t, "ok", err)
	_, err = q.Create(ctx, &azqueue.CreateOptions{Metadata: map[string]*string{"team": to.Ptr("freight")}})
	wantCode(t, "ok", err)
	_, err = q.Create(ctx, nil)
	wantCode(t, "409 QueueAlreadyExists", err)
	for _, text := range []string{"one", "two <&> ünïcode", "three"} {
		w.clock.Add(time.Second)
		_, err = q.EnqueueMessage(ctx, text, nil)
		wantCode(t, "ok", err)
	}
	late, err := q.EnqueueMessage(ctx, "late", &azqueue.EnqueueMessageOptions{VisibilityTimeout: to.Ptr[int32](60), TimeToLive: to.Ptr[int32](3600)})
	wantCode(t, "ok", err)
	w.clock.Add(time.Second)
	_, err = q.EnqueueMessage(ctx, "for ever", &azqueue.EnqueueMessageOptions{TimeToLive: to.Ptr[int32](-1)})
	wantCode(t, "ok", err)

	w.restart()
	props, err := q.GetProperties(ctx, nil)
	wantCode(t, "ok", err)
	if *props.ApproximateMessagesCount != 5 || *props.Metadata["Team"] != "freight" {
		t.Errorf("%d messages, %v", *props.ApproximateMessagesCount, props.Metadata)
	}
	peeked, err := q.PeekMessages(ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: to.Ptr[int32](32)})
	wantCode(t, "ok", err)
	if len(peeked.Messages) != 4 || *peeked.Messages[1].MessageText != "two <&> ünïcode" || *peeked.Messages[1].DequeueCount != 0 {
		t.Errorf("peeked: %d messages", len(peeked.Messages))
	}
	got, err := q.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: to.Ptr[int32](2), VisibilityTimeout: to.Ptr[int32](30)})
	wantCode(t, "ok", err)
	if len(got.Messages) != 2 || *got.Messages[0].MessageText != "one" || *got.Messages[0].DequeueCount != 1 {
		t.Fatalf("dequeued: %d messages", len(got.Messages))
	}
	first, second := got.Messages[0], got.Messages[1]
	_, err = q.DeleteMessage(ctx, *first.MessageID, *late.Messages[0].PopReceipt, nil)
	wantCode(t, "400 PopReceiptMismatch", err)
	_, err = q.DeleteMessage(ctx, *first.MessageID, *first.PopReceipt, nil)
	wantCode(t, "ok", err)
	_, err = q.DeleteMessage(ctx, *first.MessageID, *first.PopReceipt, nil)
	wantCode(t, "404 MessageNotFound", err)
	changed, err := q.UpdateMessage(ctx, *second.MessageID, *second.PopReceipt, "two, in part done", &azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr[int32](10)})
	wantCode(t, "ok", err)
	_, err = q.DeleteMessage(ctx, *second.MessageID, *second.PopReceipt, nil)
	wantCode(t, "400 PopReceiptMismatch", err)
	if *changed.PopReceipt == *second.PopReceipt {
		t.Error("the pop receipt is the same after an update")
	}
	w.clock.Add(11 * time.Second)
	texts := func() (all []string) {
		t.Helper()
		got, err := q.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: to.Ptr[int32](32)})
		wantCode(t, "ok", err)
		for _, m := range got.Messages {
			all = append(all, fmt.Sprintf("%s/%d", *m.MessageText, *m.DequeueCount))
		}
		return all
	}
	if got := fmt.Sprint(texts()); got != "[three/1 for ever/1 two, in part done/2]" {
		t.Errorf("after a while there are %s", got)
	}
	w.later(8 * 24 * time.Hour)
	q = w.as(u).queue(t, "freightstore", "orders")
	if got := fmt.Sprint(texts()); got != "[for ever/2]" {
		t.Errorf("after the time to live there are %s", got)
	}
	_, err = q.ClearMessages(ctx, nil)
	wantCode(t, "ok", err)
	if got := texts(); len(got) != 0 {
		t.Errorf("a cleared queue has %v", got)
	}
	_, err = q.Delete(ctx, nil)
	wantCode(t, "ok", err)
	_, err = q.GetProperties(ctx, nil)
	wantCode(t, "404 QueueNotFound", err)
}

// TestQueueRights: who sends cannot receive, Contributor makes queues and sees no message, a right on one queue is none on another.
func TestQueueRights(t *testing.T) {
	w := newWorld(t)
	id := w.account(w.group(w.platform, "rg"), "freightstore", nil)
	queueID := id + "/queueServices/default/queues/orders"
	contributor, sender, worker, reader := w.application("contributor"), w.application("sender"), w.application("worker"), w.application("reader")
	w.give(contributor.id, "Contributor", id)
	c := w.as(contributor).queue(t, "freightstore", "orders")
	ctx := t.Context()
	const refused = "403 AuthorizationPermissionMismatch"
	_, err := w.as(sender).queue(t, "freightstore", "orders").Create(ctx, nil)
	wantCode(t, refused, err)
	_, err = c.Create(ctx, nil)
	wantCode(t, "ok", err)
	_, err = c.EnqueueMessage(ctx, "m", nil)
	wantCode(t, refused, err)
	_, err = c.DequeueMessage(ctx, nil)
	wantCode(t, refused, err)
	w.give(sender.id, "Storage Queue Data Message Sender", queueID)
	w.give(worker.id, "Storage Queue Data Message Processor", queueID)
	w.give(reader.id, "Storage Queue Data Reader", id)
	s, p, r := w.as(sender).queue(t, "freightstore", "orders"), w.as(worker).queue(t, "freightstore", "orders"), w.as(reader).queue(t, "freightstore", "orders")
	_, err = s.EnqueueMessage(ctx, "m", nil)
	wantCode(t, "ok", err)
	_, err = s.DequeueMessage(ctx, nil)
	wantCode(t, refused, err)
	_, err = s.PeekMessage(ctx, nil)
	wantCode(t, refused, err)
	_, err = r.PeekMessage(ctx, nil)
	wantCode(t, "ok", err)
	_, err = r.DequeueMessage(ctx, nil)
	wantCode(t, refused, err)
	got, err := p.DequeueMessage(ctx, nil)
	wantCode(t, "ok", err)
	_, err = r.DeleteMessage(ctx, *got.Messages[0].MessageID, *got.Messages[0].PopReceipt, nil)
	wantCode(t, refused, err)
	_, err = p.DeleteMessage(ctx, *got.Messages[0].MessageID, *got.Messages[0].PopReceipt, nil)
	wantCode(t, "ok", err)
	_, err = w.as(sender).queue(t, "freightstore", "invoices").EnqueueMessage(ctx, "m", nil)
	wantCode(t, refused, err)
}

// TestQueueAtARM: Resource Manager and the queue service see the same queues.
func TestQueueAtARM(t *testing.T) {
	w := newWorld(t)
	id := w.account(w.group(w.platform, "rg"), "freightstore", nil)
	u := w.application("u")
	w.give(u.id, "Storage Queue Data Contributor", id)
	ctx := t.Context()
	_, err := w.as(u).queue(t, "freightstore", "from-data").Create(ctx, nil)
	wantCode(t, "ok", err)
	w.operator.put(id+"/queueServices/default/queues/from-arm", obj{"properties": obj{"metadata": obj{"a": "b"}}}).ok(200)
	q := w.as(u).queue(t, "freightstore", "from-arm")
	_, err = q.EnqueueMessage(ctx, "m", nil)
	wantCode(t, "ok", err)
	if got := w.operator.get(id + "/queueServices/default/queues").ok(200).list("name"); fmt.Sprint(got) != "[from-arm from-data]" {
		t.Errorf("the queues are %v", got)
	}
	service, err := azqueue.NewServiceClient("https://freightstore.queue.core.windows.net/", w.as(u), &azqueue.ClientOptions{ClientOptions: w.sdk()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for pager := service.NewListQueuesPager(&azqueue.ListQueuesOptions{MaxResults: to.Ptr[int32](1), Include: azqueue.ListQueuesInclude{Metadata: true}}); pager.More(); {
		page, err := pager.NextPage(ctx)
		wantCode(t, "ok", err)
		for _, q := range page.Queues {
			names = append(names, fmt.Sprint(*q.Name, len(q.Metadata)))
		}
	}
	if fmt.Sprint(names) != "[from-arm1 from-data0]" {
		t.Errorf("the service lists %v", names)
	}
	w.operator.delete(id + "/queueServices/default/queues/from-arm").ok(204)
	w.operator.put(id+"/queueServices/default/queues/from-arm", obj{}).ok(200)
	peeked, err := q.PeekMessage(ctx, nil)
	wantCode(t, "ok", err)
	if len(peeked.Messages) != 0 {
		t.Error("a queue that was made anew has the old one's messages")
	}
}

// TestSharedKey: the account's keys open everything, until they are made anew or not allowed.
func TestSharedKey(t *testing.T) {
	w := newWorld(t)
	w.clock.Run() // the client signs the real time
	id := w.account(w.group(w.platform, "rg"), "freightstore", nil)
	keys := w.operator.do("POST", id+"/listKeys", nil).ok(200)
	client := func(key string) *azqueue.QueueClient {
		cred, err := azqueue.NewSharedKeyCredential("freightstore", key)
		if err != nil {
			t.Fatal(err)
		}
		q, err := azqueue.NewQueueClientWithSharedKeyCredential("https://freightstore.queue.core.windows.net/orders", cred, &azqueue.ClientOptions{ClientOptions: w.sdk()})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	ctx := t.Context()
	one, two := client(keys.str("keys.0.value")), client(keys.str("keys.1.value"))
	_, err := one.Create(ctx, &azqueue.CreateOptions{Metadata: map[string]*string{"b": to.Ptr("1"), "a": to.Ptr("2")}})
	wantCode(t, "ok", err)
	_, err = two.EnqueueMessage(ctx, "m", &azqueue.EnqueueMessageOptions{VisibilityTimeout: to.Ptr[int32](0), TimeToLive: to.Ptr[int32](100)})
	wantCode(t, "ok", err)
	w.operator.do("POST", id+"/regenerateKey", obj{"keyName": "key1"}).ok(200)
	_, err = one.EnqueueMessage(ctx, "m", nil)
	wantCode(t, "403 AuthenticationFailed", err)
	_, err = two.EnqueueMessage(ctx, "m", nil)
	wantCode(t, "ok", err)
	w.admin("POST", "clock", obj{"by": "1h"}).ok(200) // the client's own clock stays
	w.operator.renew()
	_, err = two.EnqueueMessage(ctx, "m", nil)
	wantCode(t, "ok", err)
	w.operator.do("PATCH", id, obj{"properties": obj{"allowSharedKeyAccess": false}}).ok(200)
	_, err = two.EnqueueMessage(ctx, "m", nil)
	wantCode(t, "403 KeyBasedAuthenticationNotPermitted", err)
	reader := w.application("reader")
	w.grant(reader.id, "Reader", id)
	reader.do("POST", id+"/listKeys", nil).refused(403, "AuthorizationFailed", "'Microsoft.Storage/storageAccounts/listkeys/action'")
	if shown := reader.get(id).ok(200).raw; strings.Contains(shown, keys.str("keys.1.value")) {
		t.Errorf("a reader sees a key: %s", shown)
	}
}

// TestStorageRefusals are Storage's answers to those it keeps out, word for word.
func TestStorageRefusals(t *testing.T) {
	w := newWorld(t)
	id := w.account(w.group(w.platform, "rg"), "freightstore", nil)
	u := w.application("u")
	c := w.as(u)
	const url = "https://freightstore.queue.core.windows.net/orders/messages"
	check := func(name string, got reply, status int, code, message string) {
		t.Helper()
		want := "\ufeff" + `<?xml version="1.0" encoding="utf-8"?><Error><Code>` + code + `</Code><Message>` + message + "\nRequestId:" + got.header.Get("X-Ms-Request-Id") +
			"\nTime:" + w.clock.Now().UTC().Format("2006-01-02T15:04:05.0000000Z") + `</Message></Error>`
		if got.status != status || got.header.Get("X-Ms-Error-Code") != code || got.raw != want {
			t.Errorf("%s: %d %s\nwant %s", name, got.status, got.raw, want)
		}
	}
	const unauthenticated = "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
	none := c.ask("", "GET", url, "")
	check("no token", none, 401, "NoAuthenticationInformation", unauthenticated)
	if got := none.header.Get("Www-Authenticate"); got != "Bearer authorization_uri=https://login.microsoftonline.com/"+w.tenant+"/oauth2/authorize resource_id=https://storage.azure.com" {
		t.Errorf("the challenge is %s", got)
	}
	check("a token for Resource Manager", c.ask(armAudience, "GET", url, ""), 401, "InvalidAuthenticationInfo", unauthenticated)
	check("no role", c.ask(storageAudience, "GET", url, ""), 403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
	check("a signature", c.ask("", "GET", url+"?sig=x", ""), 403, "AuthenticationFailed", "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.")
	w.operator.do("PATCH", id, obj{"properties": obj{"networkAcls": obj{"defaultAction": "Deny"}}}).ok(200)
	check("a firewall", c.ask(storageAudience, "GET", url, ""), 403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
	w.operator.do("PATCH", id, obj{"properties": obj{"networkAcls": obj{"defaultAction": "Deny", "ipRules": []obj{{"value": "127.0.0.1"}}}}}).ok(200)
	check("an open firewall", c.ask(storageAudience, "GET", url, ""), 403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
	w.operator.do("PATCH", id, obj{"properties": obj{"publicNetworkAccess": "Disabled"}}).ok(200)
	check("no public access", c.ask(storageAudience, "GET", url, ""), 403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
	c.ask(storageAudience, "GET", "https://nothing.queue.core.windows.net/", "").ok(404)
}

// TestHostileQueue: names, sizes, numbers and bodies that the queue service does not take.
func TestHostileQueue(t *testing.T) {
	w := newWorld(t)
	id := w.account(w.group(w.platform, "rg"), "freightstore", nil)
	u := w.application("u")
	w.give(u.id, "Storage Queue Data Contributor", id)
	c := w.as(u)
	c.ask(storageAudience, "PUT", "https://freightstore.queue.core.windows.net/orders", "").ok(201)
	message := func(text string) string {
		return "<QueueMessage><MessageText>" + text + "</MessageText></QueueMessage>"
	}
	for _, x := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"PUT", "/Orders", "", 400, "InvalidResourceName"},
		{"PUT", "/a", "", 400, "InvalidResourceName"},
		{"PUT", "/a--b", "", 400, "InvalidResourceName"},
		{"PUT", "/" + strings.Repeat("a", 64), "", 400, "InvalidResourceName"},
		{"PUT", "/..%2f..%2fx", "", 501, "NotImplemented"},
		{"POST", "/orders/messages", "text", 400, "InvalidXmlDocument"},
		{"POST", "/orders/messages", "<QueueMessage></QueueMessage>", 400, "InvalidXmlDocument"},
		{"POST", "/orders/messages", strings.Repeat("<a>", 10000), 400, "InvalidXmlDocument"},
		{"POST", "/orders/messages", `<!DOCTYPE x [<!ENTITY e "boom">]><QueueMessage><MessageText>&e;</MessageText></QueueMessage>`, 400, "InvalidXmlDocument"},
		{"POST", "/orders/messages", message(strings.Repeat("x", 64<<10+1)), 400, "MessageTooLarge"},
		{"POST", "/orders/messages", message(strings.Repeat("x", 600<<10)), 413, "RequestBodyTooLarge"},
		{"POST", "/orders/messages?messagettl=0", message("x"), 400, "OutOfRangeQueryParameterValue"},
		{"POST", "/orders/messages?messagettl=99999999999", message("x"), 400, "OutOfRangeQueryParameterValue"},
		{"POST", "/orders/messages?visibilitytimeout=10&messagettl=5", message("x"), 400, "OutOfRangeQueryParameterValue"},
		{"POST", "/orders/messages?visibilitytimeout=604801", message("x"), 400, "OutOfRangeQueryParameterValue"},
		{"GET", "/orders/messages?numofmessages=33", "", 400, "OutOfRangeQueryParameterValue"},
		{"GET", "/orders/messages?numofmessages=x", "", 400, "OutOfRangeQueryParameterValue"},
		{"GET", "/orders/messages?visibilitytimeout=0", "", 400, "OutOfRangeQueryParameterValue"},
		{"DELETE", "/orders/messages/x?popreceipt=y", "", 404, "MessageNotFound"},
		{"PUT", "/orders/messages/x?popreceipt=y", message("x"), 404, "MessageNotFound"},
		{"GET", "/orders/messages/x/y", "", 501, "NotImplemented"},
		{"GET", "/?comp=list&maxresults=0", "", 400, "OutOfRangeQueryParameterValue"},
		{"POST", "/orders/messages", message(strings.Repeat("x", 64<<10)), 201, ""},
	} {
		got := c.ask(storageAudience, x.method, "https://freightstore.queue.core.windows.net"+x.path, x.body)
		if got.status != x.status || got.header.Get("X-Ms-Error-Code") != x.code {
			t.Errorf("%s %.60s: %d %.300s, want %d %s", x.method, x.path, got.status, got.raw, x.status, x.code)
		}
	}
	c.ask(storageAudience, "GET", "https://freightstore.blob.core.windows.net/?comp=list", "").ok(501)
}

// TestStorageAccount: names, services, keys and what stands below an account.
func TestStorageAccount(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.account(rg, "freightstore", nil)
	op := w.operator
	shown := op.get(id).ok(200)
	if shown.str("properties.primaryEndpoints.queue") != "https://freightstore.queue.core.windows.net/" || shown.str("sku.tier") != "Standard" {
		t.Errorf("the account is %s", shown.raw)
	}
	op.put(rg+"/providers/Microsoft.Storage/storageAccounts/Upper", obj{"location": "westeurope", "kind": "StorageV2", "sku": obj{"name": "Standard_LRS"}}).refused(400, "AccountNameInvalid", "Upper is not a valid storage account name")
	op.put(w.group(w.hub, "rg2")+"/providers/Microsoft.Storage/storageAccounts/freightstore", obj{"location": "westeurope", "kind": "StorageV2", "sku": obj{"name": "Standard_LRS"}}).refused(409, "StorageAccountAlreadyTaken")
	op.put(rg+"/providers/Microsoft.Storage/storageAccounts/nosku", obj{"location": "westeurope", "kind": "StorageV2"}).refused(400, "InvalidRequestContent")
	for _, c := range []struct {
		path, member string
		deleted      int
	}{
		{"/blobServices/default/containers/images", "properties.publicAccess", 200}, {"/fileServices/default/shares/files", "properties.enabledProtocols", 200},
		{"/tableServices/default/tables/rows", "properties.tableName", 204},
	} {
		r := op.put(id+c.path, obj{})
		if r.status > 202 || r.str(c.member) == "" || op.get(id+c.path).ok(200).str(c.member) == "" {
			t.Errorf("%s: %d %s", c.path, r.status, r.raw)
		}
		op.put(id+c.path+"-x-", obj{}).refused(400, "InvalidResourceName")
		op.delete(id + c.path).ok(c.deleted)
		op.delete(id + c.path).ok(204)
	}
	op.put(id+"/blobServices/other", obj{}).refused(400, "InvalidRequestContent")
	for name, want := range map[string]any{"freightstore": false, "Wrong": false, "freeone": true} {
		if got := op.do("POST", w.platform+"/providers/Microsoft.Storage/checkNameAvailability", obj{"name": name}).ok(200).at("nameAvailable"); got != want {
			t.Errorf("the name %s is available: %v", name, got)
		}
	}
	stranger := w.application("stranger")
	stranger.do("POST", w.platform+"/providers/Microsoft.Storage/checkNameAvailability", obj{"name": "x"}).refused(403, "AuthorizationFailed", "'Microsoft.Storage/checkNameAvailability/read'")
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v"
	op.put(vnet, obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}}, "subnets": []obj{{"name": "s", "properties": obj{"addressPrefix": "10.0.0.0/24"}}}}}).ok(201)
	w.grant(stranger.id, "Contributor", id)
	stranger.do("PATCH", id, obj{"properties": obj{"networkAcls": obj{"defaultAction": "Deny", "virtualNetworkRules": []obj{{"id": vnet + "/subnets/s"}}}}}).
		refused(403, "LinkedAuthorizationFailed", "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action", vnet+"/subnets/s")
	op.delete(id).ok(200)
	op.get(id+"/queueServices/default").refused(404, "ResourceNotFound")
}
