package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	cloudprovider "k8s.io/cloud-provider"

	"aksid/internal/drill/act"
)

// settle is how long a refusal may take to become an event.
const settle = 300 * time.Millisecond

// joinNodes lets the route controller see the nodes and waits until they have their routes. Not every refusal becomes
// an event, and the node's condition says RouteCreated also where the route was refused: Azure's answers count.
func (c *Cluster) joinNodes(step act.Step) (string, error) {
	stop, err := c.runRoutes()
	if err != nil {
		return "", err
	}
	defer stop()
	routed := func() bool {
		nodes, err := c.api.CoreV1().Nodes().List(c, metav1.ListOptions{})
		for _, n := range nodes.Items {
			if err != nil || !hasRoute(n) {
				return false
			}
		}
		return true
	}
	finished := poll(c, step.Within, func() bool { return c.wasRefused() || routed() })
	c.record.quiet(c) // routes of several nodes may be written one after the other
	return "", c.verdict(finished, "FailedToCreateRoute")
}

func hasRoute(n corev1.Node) bool {
	for _, cond := range n.Status.Conditions {
		if cond.Type == corev1.NodeNetworkUnavailable {
			return cond.Status == corev1.ConditionFalse
		}
	}
	return n.Spec.PodCIDR == ""
}

func (c *Cluster) wasRefused() bool {
	c.record.mu.Lock()
	defer c.record.mu.Unlock()
	return len(c.record.refused) > c.record.oldRefused
}

// verdict is how a step of the nodes ended: with an event, with a refusal that no event tells of, or well.
// bad are the reasons of events that would tell.
func (c *Cluster) verdict(finished bool, bad ...string) error {
	if c.wasRefused() && len(bad) > 0 {
		c.record.await(settle, func(r *record) bool { return r.event("", bad...) != nil })
	}
	c.record.mu.Lock()
	defer c.record.mu.Unlock()
	switch e := c.record.event("", bad...); {
	case e != nil:
		return errors.New(e.Message)
	case len(c.record.refused) > c.record.oldRefused:
		return errLogged
	case !finished:
		return errNothing
	}
	return nil
}

// errLogged says that no event tells of a refusal.
var errLogged = errors.New("no event tells of it; the controller manager's log does")

// leaveNode lets the life cycle controller find out that a node's machine is gone. The machine that is gone is one that
// never was, so that none has to be deleted.
func (c *Cluster) leaveNode(step act.Step) (string, error) {
	gone := ghost(c.Nodes[0])
	nodes := c.api.CoreV1().Nodes()
	if _, err := nodes.Create(c, c.node(gone, corev1.ConditionUnknown), metav1.CreateOptions{}); err != nil {
		return "", err
	}
	defer nodes.Delete(c, gone.Name, metav1.DeleteOptions{}) // it may be gone
	lister := c.inform.Core().V1().Nodes().Lister()
	poll(c, step.Within, func() bool { _, err := lister.Get(gone.Name); return err == nil })
	stop, err := c.runLifecycle()
	if err != nil {
		return "", err
	}
	defer stop()
	finished := poll(c, step.Within, func() bool {
		_, err := nodes.Get(c, gone.Name, metav1.GetOptions{})
		return err != nil || c.wasRefused()
	})
	if finished && !c.wasRefused() { // the node goes by another way than what is said of it
		c.record.await(step.Within, func(r *record) bool { return r.event("", "DeletingNode") != nil })
	}
	return "", c.verdict(finished)
}

// ghost is a node like another, on a machine that the scale set does not have.
func ghost(n act.Node) act.Node {
	const number = "99999"
	n.Name = n.Name[:max(len(n.Name)-6, 0)] + "00255r" // 99999 in base 36
	n.ID = n.ID[:strings.LastIndexByte(n.ID, '/')+1] + number
	n.PodCIDR = ""
	return n
}

// dropRoutes takes the nodes away and waits until the route controller has removed their routes.
func (c *Cluster) dropRoutes(step act.Step) (string, error) {
	nodes := c.api.CoreV1().Nodes()
	all, err := nodes.List(c, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, n := range all.Items {
		if err := nodes.Delete(c, n.Name, metav1.DeleteOptions{}); err != nil {
			return "", err
		}
		defer nodes.Create(c, &n, metav1.CreateOptions{})
	}
	lister := c.inform.Core().V1().Nodes().Lister()
	poll(c, step.Within, func() bool { seen, err := lister.List(labels.Everything()); return err == nil && len(seen) == 0 })
	stop, err := c.runRoutes()
	if err != nil {
		return "", err
	}
	defer stop()
	finished := poll(c, step.Within, func() bool { return c.wasRefused() || !c.routed(all.Items) })
	c.record.quiet(c)
	return "", c.verdict(finished)
}

// routed reports whether the provider knows a route to one of the nodes.
func (c *Cluster) routed(nodes []corev1.Node) bool {
	routes, err := c.cloud.ListRoutes(c, clusterName)
	return err != nil || slices.ContainsFunc(routes, func(r *cloudprovider.Route) bool {
		return slices.ContainsFunc(nodes, func(n corev1.Node) bool { return strings.EqualFold(string(r.TargetNode), n.Name) })
	})
}

// poll asks until something is so, and reports whether it became so in time.
func poll(ctx context.Context, within time.Duration, so func() bool) bool {
	err := wait.PollUntilContextTimeout(ctx, quick/2, within, true, func(context.Context) (bool, error) { return so(), nil })
	return err == nil
}
