// Command bank: accounts, an interface of a ledger, locks taken in order, embedded errors.
package main

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"sync"
	"text/tabwriter"
)

type Money int64

type Account struct {
	sync.Mutex
	id      int
	balance Money
	history []Entry
}

type Entry struct {
	From, To int
	Amount   Money
	Memo     *string
}

type Ledger interface {
	Record(*Entry) error
	Entries(int) []Entry
}

type memory struct {
	all []Entry
}

func (m *memory) Record(e *Entry) error {
	if e.Amount <= 0 {
		return &badAmount{e.Amount}
	}
	m.all = append(m.all, *e)
	return nil
}

func (m *memory) Entries(id int) (out []Entry) {
	for i := range m.all {
		if e := &m.all[i]; e.From == id || e.To == id {
			out = append(out, *e)
		}
	}
	return
}

type badAmount struct{ m Money }

func (b *badAmount) Error() string { return fmt.Sprintf("bad amount %d", b.m) }

func (m Money) String() string { return fmt.Sprintf("%d.%02d", int64(m)/100, int64(m)%100) }

type Bank struct {
	accounts map[int]*Account
	ledger   Ledger
}

var errPoor = errors.New("not enough")

func (b *Bank) open(balance Money) *Account {
	a := &Account{id: len(b.accounts) + 1, balance: balance}
	b.accounts[a.id] = a
	return a
}

func (b *Bank) transfer(from, to int, m Money, memo string) error {
	x, y := b.accounts[from], b.accounts[to]
	first, second := x, y
	if from > to {
		first, second = y, x
	}
	first.Lock()
	defer first.Unlock()
	second.Lock()
	defer second.Unlock()
	if x.balance < m {
		return fmt.Errorf("account %d: %w", from, errPoor)
	}
	e := Entry{from, to, m, nil}
	if memo != "" {
		e.Memo = &memo
	}
	if err := b.ledger.Record(&e); err != nil {
		return err
	}
	x.balance -= m
	y.balance += m
	x.history, y.history = append(x.history, e), append(y.history, e)
	return nil
}

func (b *Bank) report(w *tabwriter.Writer) {
	ids := make([]int, 0, len(b.accounts))
	for id := range b.accounts {
		ids = append(ids, id)
	}
	sort.Ints(ids)
	for _, id := range ids {
		fmt.Fprintf(w, "%d\t%v\n", id, b.accounts[id].balance)
	}
	w.Flush()
}

func main() {
	b := &Bank{map[int]*Account{}, &memory{}}
	a, c := b.open(1000), b.open(0)
	for i := Money(1); i < 20; i++ {
		if err := b.transfer(a.id, c.id, i*100, fmt.Sprint("step ", i)); err != nil {
			var bad *badAmount
			fmt.Println(err, errors.Is(err, errPoor), errors.As(err, &bad))
			break
		}
	}
	b.report(tabwriter.NewWriter(os.Stdout, 0, 8, 1, ' ', 0))
}
