package dataplane

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// kindMessage are the messages of queues, keyed by the queue's content id, when they are visible next and their id:
// the next one to come is the first. An index entry finds them by id.
const kindMessage = "message"

// typeQueue is the type of a queue's document at Resource Manager, which is the queue: whoever makes it.
const typeQueue = "Microsoft.Storage/storageAccounts/queueServices/queues"

// queueName is what queues can be called (Microsoft Learn: naming queues and metadata).
var queueName = regexp.MustCompile(`^[a-z0-9]([a-z0-9]|-[a-z0-9]){2,62}$`)

// Limits of the service (Microsoft Learn: Put Message, Get Messages, List Queues).
const (
	maxMessage  = 64 << 10 // bytes
	maxBatch    = 32       // messages a call
	maxQueues   = 5000     // a page of a list
	defaultTTL  = 7 * 24 * time.Hour
	defaultHide = 30 * time.Second
	maxHide     = 7 * 24 * time.Hour
)

// queueOp is an operation of the queue service.
type queueOp struct {
	rights [][]storageRight
	writes bool
	do     func(*queueCall, store.Tx) error
}

const messages = "queueServices/queues/messages/"

// queueOps by method, place and comp (Microsoft Learn: permissions for calling blob and queue data operations).
var queueOps = map[string]queueOp{
	"GET / list":             {[][]storageRight{{{"queueServices/queues/read", false}}}, false, (*queueCall).listQueues},
	"PUT /queue":             {[][]storageRight{{{"queueServices/queues/write", false}}}, true, (*queueCall).createQueue},
	"DELETE /queue":          {[][]storageRight{{{"queueServices/queues/delete", false}}}, true, (*queueCall).deleteQueue},
	"GET /queue metadata":    {[][]storageRight{{{"queueServices/queues/read", false}}}, false, (*queueCall).showQueue},
	"HEAD /queue metadata":   {[][]storageRight{{{"queueServices/queues/read", false}}}, false, (*queueCall).showQueue},
	"PUT /queue metadata":    {[][]storageRight{{{"queueServices/queues/write", false}}}, true, (*queueCall).setMetadata},
	"POST /queue/messages":   {[][]storageRight{{{messages + "add/action", true}}, {{messages + "write", true}}}, true, (*queueCall).enqueue},
	"GET /queue/messages":    {[][]storageRight{{{messages + "process/action", true}}, {{messages + "delete", true}, {messages + "read", true}}}, true, (*queueCall).dequeue},
	"PEEK /queue/messages":   {[][]storageRight{{{messages + "read", true}}}, false, (*queueCall).peek},
	"DELETE /queue/messages": {[][]storageRight{{{messages + "delete", true}}}, true, (*queueCall).clear},
	"PUT /queue/messages/id": {[][]storageRight{{{messages + "write", true}}}, true, (*queueCall).updateMessage},
	"DELETE /queue/messages/id": {[][]storageRight{{{messages + "process/action", true}}, {{messages + "delete", true}}}, true,
		(*queueCall).deleteMessage},
}

// queueCall is one request to the queue service.
type queueCall struct {
	*storageCall
	op      queueOp
	queue   string // "" for the service
	message string // id, or ""
	text    *string
	answer  func() error // written when the transaction is committed
}

// serveQueue routes, decides and works.
func (c *storageCall) serveQueue() error {
	q := &queueCall{storageCall: c}
	if err := q.route(); err != nil {
		return err
	}
	scope := c.account.ID.Join("queueServices", "default")
	attributes := map[string]any{"Microsoft.Storage/storageAccounts:name": c.name}
	if q.queue != "" {
		scope, attributes[typeQueue+":name"] = q.queueID(q.queue), q.queue
	}
	if err := c.authorize(scope, q.op.rights, attributes); err != nil {
		return err
	}
	if err := q.readText(); err != nil {
		return err
	}
	run := c.Store.View
	if q.op.writes {
		run = c.Store.Update
	}
	if err := run(c.r.Context(), func(tx store.Tx) error { return q.op.do(q, tx) }); err != nil {
		return err
	}
	return q.answer()
}

// queueID is a queue's id at Resource Manager.
func (c *storageCall) queueID(name string) azure.ID {
	return c.account.ID.Join("queueServices", "default", "queues", name)
}

func (q *queueCall) route() error {
	segments := strings.Split(strings.Trim(q.r.URL.Path, "/"), "/")
	method, place := q.r.Method, "/"
	switch {
	case segments[0] == "":
	case len(segments) == 1:
		q.queue, place = segments[0], "/queue"
	case segments[1] == "messages" && len(segments) == 2:
		q.queue, place = segments[0], "/queue/messages"
		if method == http.MethodGet && q.query.Get("peekonly") == "true" {
			method = "PEEK"
		}
	case segments[1] == "messages" && len(segments) == 3:
		q.queue, q.message, place = segments[0], segments[2], "/queue/messages/id"
	}
	if comp := q.query.Get("comp"); comp != "" {
		place += " " + comp
	}
	op, ok := queueOps[method+" "+place]
	switch {
	case !ok:
		return &azure.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "The local Azure's queues do not serve " + q.r.Method + " " + q.r.URL.RequestURI() + "."}
	case q.queue != "" && !queueName.MatchString(q.queue):
		return azure.StorageInvalidName.Error()
	}
	q.op = op
	return nil
}

// readText reads the message in the request's body, if the operation takes one.
func (q *queueCall) readText() error {
	if q.r.Method == http.MethodPut && q.message != "" && q.r.ContentLength == 0 || q.r.Method != http.MethodPost && q.message == "" || q.r.Method == http.MethodDelete {
		return nil
	}
	var in struct {
		XMLName xml.Name `xml:"QueueMessage"`
		Text    *string  `xml:"MessageText"`
	}
	if err := q.readXML(&in); err != nil {
		return err
	}
	if in.Text == nil {
		return azure.StorageInvalidXML.Error()
	}
	if len(*in.Text) > maxMessage {
		return azure.StorageMessageTooLarge.Error()
	}
	q.text = in.Text
	return nil
}

// queue is a queue's document.
type queue struct {
	ID         azure.ID `json:"id"`
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Properties struct {
		Metadata map[string]string `json:"metadata,omitempty"`
	} `json:"properties"`
	Own struct {
		Content azure.GUID `json:"content"`
	} `json:"_"`
}

// find reads the queue.
func (q *queueCall) find(tx store.Tx) (*queue, error) {
	v := &queue{}
	ok, err := get(tx, directory.KindResource, q.queueID(q.queue).Key(), v)
	if err == nil && !ok {
		err = azure.StorageQueueNotFound.Error()
	}
	return v, err
}

func (q *queueCall) put(tx store.Tx, v *queue) error {
	return put(tx, directory.KindResource, v.ID.Key(), v, contentRef(v.Own.Content.String()))
}

// done answers with a status alone.
func (q *queueCall) done(status int) error {
	q.answer = func() error { return q.reply(status, nil) }
	return nil
}

// metadata are the request's x-ms-meta- headers.
func (q *queueCall) metadata() map[string]string {
	m := map[string]string{}
	for k, v := range q.r.Header {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "x-ms-meta-"); ok {
			m[name] = strings.Join(v, ",")
		}
	}
	return m
}

// createQueue answers 204 for a queue that is there with the same metadata.
func (q *queueCall) createQueue(tx store.Tx) error {
	v, err := q.find(tx)
	if err == nil {
		if !maps.Equal(v.Properties.Metadata, q.metadata()) {
			return azure.StorageQueueExists.Error()
		}
		return q.done(http.StatusNoContent)
	}
	if e, ok := err.(*azure.Error); !ok || e.Code != azure.StorageQueueNotFound.Code {
		return err
	}
	v = &queue{ID: q.queueID(q.queue), Name: q.queue, Type: typeQueue}
	v.Properties.Metadata = q.metadata()
	v.Own.Content = azure.NewGUID()
	if err := q.put(tx, v); err != nil {
		return err
	}
	return q.done(http.StatusCreated)
}

// deleteQueue removes a queue; its messages go with its content id.
func (q *queueCall) deleteQueue(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	if err := tx.Delete(directory.KindResource, v.ID.Key()); err != nil {
		return err
	}
	return q.done(http.StatusNoContent)
}

func (q *queueCall) showQueue(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	count := 0
	for m, err := range decodeAll[message](tx.Scan(kindMessage, v.prefix(), "")) {
		if err != nil {
			return err
		}
		if !m.expired(q.Now()) {
			count++
		}
	}
	q.answer = func() error {
		for k, s := range v.Properties.Metadata {
			q.w.Header().Set("X-Ms-Meta-"+k, s)
		}
		q.w.Header().Set("X-Ms-Approximate-Messages-Count", strconv.Itoa(count))
		return q.reply(http.StatusOK, nil)
	}
	return nil
}

func (q *queueCall) setMetadata(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	v.Properties.Metadata = q.metadata()
	if err := q.put(tx, v); err != nil {
		return err
	}
	return q.done(http.StatusNoContent)
}

// queueList is the answer to a list of queues.
type queueList struct {
	XMLName  xml.Name `xml:"EnumerationResults"`
	Endpoint string   `xml:"ServiceEndpoint,attr"`
	Prefix   string   `xml:"Prefix"`
	Marker   string   `xml:"Marker,omitempty"`
	Max      int      `xml:"MaxResults"`
	Queues   []struct {
		Name     string
		Metadata *metadata `xml:"Metadata,omitempty"`
	} `xml:"Queues>Queue"`
	Next string `xml:"NextMarker"`
}

// metadata is written as an element for each name.
type metadata map[string]string

func (m metadata) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if err := e.EncodeElement(m[k], xml.StartElement{Name: xml.Name{Local: k}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

func (q *queueCall) listQueues(tx store.Tx) error {
	out := queueList{Endpoint: "https://" + q.r.Host + "/", Prefix: q.query.Get("prefix"), Marker: q.query.Get("marker"), Max: maxQueues}
	if s := q.query.Get("maxresults"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxQueues {
			return azure.StorageOutOfRange.Error()
		}
		out.Max = n
	}
	base := q.queueID("").Key()
	after := ""
	if out.Marker != "" {
		after = base + out.Marker
	}
	for v, err := range decodeAll[queue](tx.Scan(directory.KindResource, base+out.Prefix, after)) {
		if err != nil {
			return err
		}
		if len(out.Queues) == out.Max {
			out.Next = out.Queues[out.Max-1].Name
			break
		}
		entry := struct {
			Name     string
			Metadata *metadata `xml:"Metadata,omitempty"`
		}{Name: v.Name}
		if strings.Contains(q.query.Get("include"), "metadata") {
			m := metadata(v.Properties.Metadata)
			entry.Metadata = &m
		}
		out.Queues = append(out.Queues, entry)
	}
	q.answer = func() error { return q.reply(http.StatusOK, out) }
	return nil
}

// message is a message of a queue.
type message struct {
	ID       azure.GUID `json:"id"`
	Text     string     `json:"text"`
	Inserted time.Time  `json:"inserted"`
	Expires  time.Time  `json:"expires,omitzero"` // zero: never
	Visible  time.Time  `json:"visible"`          // next
	Count    int        `json:"dequeueCount"`
}

func (v *queue) prefix() string { return v.Own.Content.String() + "/" }

func (v *queue) key(m *message) string {
	return fmt.Sprintf("%s%020d-%s", v.prefix(), m.Visible.UnixNano(), m.ID)
}

func (v *queue) ref(id azure.GUID) string { return "message:" + v.prefix() + id.String() }

func (v *queue) putMessage(tx store.Tx, m *message) error {
	return put(tx, kindMessage, v.key(m), m, v.ref(m.ID))
}

func (m *message) expired(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

// receipt names the state that a message was handed out in: it changes with the time of its next visibility.
func (m *message) receipt() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s|%d", m.ID, m.Visible.UnixNano()))
}

// seconds reads a parameter of whole seconds.
func (q *queueCall) seconds(name string, otherwise, least, most time.Duration) (time.Duration, error) {
	s := q.query.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if d := time.Duration(n) * time.Second; err == nil && n < 1<<31 && d >= least && d <= most {
		return d, nil
	}
	return 0, azure.StorageOutOfRange.Error()
}

// shown is a message in an answer; what is empty is not in that answer.
type shown struct {
	ID       string  `xml:"MessageId"`
	Inserted string  `xml:"InsertionTime"`
	Expires  string  `xml:"ExpirationTime"`
	Receipt  string  `xml:"PopReceipt,omitempty"`
	Visible  string  `xml:"TimeNextVisible,omitempty"`
	Count    *int    `xml:"DequeueCount"`
	Text     *string `xml:"MessageText"`
}

// never is when a message expires that does not (Microsoft Learn: Put Message).
var never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

func (m *message) show(receipt, text bool) shown {
	expires := m.Expires
	if expires.IsZero() {
		expires = never
	}
	s := shown{ID: m.ID.String(), Inserted: httpTime(m.Inserted), Expires: httpTime(expires)}
	if receipt {
		s.Receipt, s.Visible = m.receipt(), httpTime(m.Visible)
	}
	if text {
		s.Count, s.Text = &m.Count, &m.Text
	}
	return s
}

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// answerMessages answers with messages.
func (q *queueCall) answerMessages(status int, list []shown) {
	q.answer = func() error {
		return q.reply(status, struct {
			XMLName  xml.Name `xml:"QueueMessagesList"`
			Messages []shown  `xml:"QueueMessage"`
		}{Messages: list})
	}
}

func (q *queueCall) enqueue(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	hide, err := q.seconds("visibilitytimeout", 0, 0, maxHide)
	if err != nil {
		return err
	}
	now := q.Now().UTC()
	m := &message{ID: azure.NewGUID(), Text: *q.text, Inserted: now, Visible: now.Add(hide)}
	if q.query.Get("messagettl") != "-1" {
		ttl, err := q.seconds("messagettl", defaultTTL, time.Second, 1<<31*time.Second)
		if err != nil {
			return err
		}
		if hide >= ttl {
			return azure.StorageOutOfRange.Error()
		}
		m.Expires = now.Add(ttl)
	}
	q.answerMessages(http.StatusCreated, []shown{m.show(true, false)})
	return v.putMessage(tx, m)
}

// visible yields up to n messages that can be handed out, and the keys of expired ones on the way.
func (q *queueCall) visible(tx store.Tx, v *queue) (found []message, expired []string, err error) {
	n := 1
	if s := q.query.Get("numofmessages"); s != "" {
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > maxBatch {
			return nil, nil, azure.StorageOutOfRange.Error()
		}
	}
	now := q.Now()
	for d, err := range tx.Scan(kindMessage, v.prefix(), "") {
		var m message
		if err == nil {
			err = json.Unmarshal(d.Body, &m)
		}
		switch {
		case err != nil:
			return nil, nil, err
		case len(found) == n, m.Visible.After(now):
			return found, expired, nil
		case m.expired(now):
			expired = append(expired, d.Key)
		default:
			found = append(found, m)
		}
	}
	return found, expired, nil
}

// dequeue hands messages out and hides them for a while.
func (q *queueCall) dequeue(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	hide, err := q.seconds("visibilitytimeout", defaultHide, time.Second, maxHide)
	if err != nil {
		return err
	}
	found, expired, err := q.visible(tx, v)
	if err != nil {
		return err
	}
	for _, key := range expired {
		if err := tx.Delete(kindMessage, key); err != nil {
			return err
		}
	}
	var list []shown
	for _, m := range found {
		if err := tx.Delete(kindMessage, v.key(&m)); err != nil {
			return err
		}
		m.Count++
		m.Visible = q.Now().UTC().Add(hide)
		if err := v.putMessage(tx, &m); err != nil {
			return err
		}
		list = append(list, m.show(true, true))
	}
	q.answerMessages(http.StatusOK, list)
	return nil
}

// peek shows messages and leaves them as they are.
func (q *queueCall) peek(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	found, _, err := q.visible(tx, v)
	if err != nil {
		return err
	}
	var list []shown
	for _, m := range found {
		list = append(list, m.show(false, true))
	}
	q.answerMessages(http.StatusOK, list)
	return nil
}

func (q *queueCall) clear(tx store.Tx) error {
	v, err := q.find(tx)
	if err != nil {
		return err
	}
	// The messages go with the content id, however many they are.
	v.Own.Content = azure.NewGUID()
	q.answer = func() error {
		select {
		case q.cleared <- struct{}{}:
		default: // it was told already
		}
		return q.reply(http.StatusNoContent, nil)
	}
	return q.put(tx, v)
}

// received reads the message that the path names, as it was handed out with the pop receipt.
func (q *queueCall) received(tx store.Tx) (*queue, *message, error) {
	v, err := q.find(tx)
	if err != nil {
		return nil, nil, err
	}
	id, err := azure.ParseGUID(q.message)
	if err != nil {
		return nil, nil, azure.StorageMessageNotFound.Error()
	}
	for m, err := range decodeAll[message](tx.Find(v.ref(id))) {
		switch {
		case err != nil:
			return nil, nil, err
		case m.expired(q.Now()):
		case !same(m.receipt(), q.query.Get("popreceipt")):
			return nil, nil, azure.StoragePopReceipt.Error()
		default:
			return v, &m, nil
		}
	}
	return nil, nil, azure.StorageMessageNotFound.Error()
}

func (q *queueCall) updateMessage(tx store.Tx) error {
	v, m, err := q.received(tx)
	if err != nil {
		return err
	}
	if !q.query.Has("visibilitytimeout") {
		return azure.StorageMissingParameter.Error()
	}
	hide, err := q.seconds("visibilitytimeout", 0, 0, maxHide)
	if err != nil {
		return err
	}
	if err := tx.Delete(kindMessage, v.key(m)); err != nil {
		return err
	}
	m.Visible = q.Now().UTC().Add(hide)
	if q.text != nil {
		m.Text = *q.text
	}
	q.answer = func() error {
		q.w.Header().Set("X-Ms-Popreceipt", m.receipt())
		q.w.Header().Set("X-Ms-Time-Next-Visible", httpTime(m.Visible))
		return q.reply(http.StatusNoContent, nil)
	}
	return v.putMessage(tx, m)
}

func (q *queueCall) deleteMessage(tx store.Tx) error {
	v, m, err := q.received(tx)
	if err != nil {
		return err
	}
	if err := tx.Delete(kindMessage, v.key(m)); err != nil {
		return err
	}
	return q.done(http.StatusNoContent)
}
