package watch

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Webhook is told of notices, one a call, by the Standard Webhooks specification (standardwebhooks.com): the headers webhook-id,
// webhook-timestamp and webhook-signature, and a body with type, timestamp and data. What gets a notice twice knows it by its id.
type Webhook struct {
	url    *url.URL
	secret []byte // nil: calls are not signed
	client *http.Client
}

const (
	callTimeout  = 15 * time.Second
	minSecret    = 16               // bytes
	secretPrefix = "whsec_"         // before a secret in base64
	firstRetry   = 2 * time.Second  // after a call that failed; it doubles with each further one
	lastRetry    = 10 * time.Minute // and is never more than this
)

// NewWebhook makes a webhook of a URL and a secret, or of no secret: then calls are not signed. Errors never contain the URL's
// path or query, which may be secrets.
func NewWebhook(address, secret string) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the webhook is no URL, as https://example.com/hook")
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("the webhook at %s must be https: others could read and change what is sent; only this machine is called over http", u.Host)
	}
	key, err := parseSecret(secret)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: callTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Webhook{u, key, client}, nil
}

func parseSecret(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	key := []byte(text)
	if encoded, ok := strings.CutPrefix(text, secretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, errors.New("the webhook's secret begins with " + secretPrefix + ", and what follows is not base64")
		}
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("the webhook's secret has %d bytes; it takes %d or more, as from: openssl rand -base64 32", len(key), minSecret)
	}
	return key, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// String is the webhook as it may be shown.
func (h *Webhook) String() string { return h.url.Host }

// sent is the body of a call.
type sent struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Notice    `json:"data"`
}

// call tells of a notice. It has arrived when the answer is 2xx.
func (h *Webhook) call(ctx context.Context, n Notice, now time.Time) error {
	body, err := json.Marshal(sent{"aksid." + n.Kind, n.Time, n})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's URL makes no request")
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "aksid")
	r.Header.Set("webhook-id", n.ID)
	r.Header.Set("webhook-timestamp", stamp)
	if h.secret != nil {
		r.Header.Set("webhook-signature", "v1,"+h.sign(n.ID, stamp, body))
	}
	answer, err := h.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return errors.New(strings.TrimSpace(answer.Status))
	}
	return nil
}

// sign is the signature of a call: HMAC-SHA256 over its id, its time and its body.
func (h *Webhook) sign(id, stamp string, body []byte) string {
	m := hmac.New(sha256.New, h.secret)
	fmt.Fprintf(m, "%s.%s.", id, stamp)
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
