// Command record writes what packages export, with the escape tags that the compiler computed, as JSON.
//
// Types come from go/types. Tags come from the export data that the compiler leaves for importers: beside each
// function lies one string per parameter, "esc:" and bytes (cmd/compile/internal/escape/leaks.go, Encode), which is
// exactly what a compilation of an importer reads. The standard library's own decoder of that data is internal, so this
// program is built as if it lay in the Go tree: record.py does that with `go build -overlay`.
//
// Generic functions have no tags of their own: an importer compiles the instances that it needs. Their tags are read
// from probes, functions of a package made for it that do nothing but call one instance.
//
// usage: record PACKAGE...      (paths; `go` must be in PATH)
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"go/constant"
	"go/importer"
	"go/token"
	"go/types"
	"internal/exportdata"
	"internal/pkgbits"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The order of a tag's bytes, each a number of dereferences and one (leaks.go).
const (
	tagHeap = iota
	tagMutator
	tagCallee
	tagResult0
)

type tag struct {
	Heap    *int   `json:"heap,omitempty"`
	Mutator *int   `json:"mutator,omitempty"`
	Callee  *int   `json:"callee,omitempty"`
	Results []*int `json:"results,omitempty"`
}

type function struct {
	Name string `json:"name"`
	Sig  string `json:"sig"`
	Tags []*tag `json:"tags"`
}

// A need is how much of a type a program can come to see.
type need int

const (
	opaque need = iota + 1 // its name: behind a pointer of an unexported field
	shape                  // size and pointers: in an unexported field
	api                    // fields and methods
)

type typeDecl struct {
	Opaque     bool       `json:"opaque,omitempty"`
	Alias      string     `json:"alias,omitempty"`
	Params     string     `json:"type_params,omitempty"`
	Underlying string     `json:"underlying,omitempty"`
	Methods    []function `json:"methods,omitempty"`
	PtrMethods []function `json:"ptr_methods,omitempty"`
}

type pkg struct {
	Name   string               `json:"name"`
	Types  map[string]*typeDecl `json:"types"`
	Funcs  map[string]*function `json:"funcs"`
	Vars   map[string]string    `json:"vars"`
	Consts map[string][2]string `json:"consts"`
}

type recorder struct {
	exports    map[string]string // package path -> file of export data
	importer   types.Importer
	tags       map[string]map[string][]string // package path -> object or type.method -> a string per parameter
	out        map[string]*pkg
	qualifiers map[string]string // name in type strings -> package path
	declared   map[*types.TypeName]need
	todo       []func()
	probes     []probe
	probed     map[string]bool // packages that probes mention
}

// A probe is a function or method whose tags are those of a generated caller.
type probe struct {
	source string
	tags   *[]*tag
	sig    *types.Signature
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("record: ")
	r := &recorder{
		exports:    exportsOf(os.Args[1:]),
		tags:       map[string]map[string][]string{},
		out:        map[string]*pkg{},
		qualifiers: map[string]string{},
		declared:   map[*types.TypeName]need{},
		probed:     map[string]bool{},
	}
	r.importer = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if r.exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(r.exports[path])
	})
	byLength := slices.Clone(os.Args[1:])
	slices.SortStableFunc(byLength, func(a, b string) int { return len(a) - len(b) })
	for _, path := range byLength { // the shortest path has the plain name: "rand" is math/rand
		r.record(path)
	}
	for len(r.todo) > 0 {
		next := r.todo[0]
		r.todo = r.todo[1:]
		next()
	}
	r.readProbes()
	w := json.NewEncoder(os.Stdout)
	w.SetEscapeHTML(false)
	check(w.Encode(map[string]any{"go": runtime.Version(), "qualifiers": r.qualifiers, "packages": r.out}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// exportsOf asks the go command for the export data of packages and of all that they import.
func exportsOf(paths []string) map[string]string {
	out := goList(".", append([]string{"-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, paths...)...)
	exports := map[string]string{}
	for line := range strings.Lines(out) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			exports[path] = file
		}
	}
	return exports
}

func goList(dir string, args ...string) string {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	check(err)
	return string(out)
}

// record notes the exported names of a package.
func (r *recorder) record(path string) {
	if path == "unsafe" {
		p := r.pkg(types.Unsafe)
		p.Types["Pointer"] = &typeDecl{Underlying: "unsafe.Pointer"}
		return
	}
	of, err := r.importer.Import(path)
	check(err)
	r.qualify(of)
	p := r.pkg(of)
	for _, name := range of.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		switch o := of.Scope().Lookup(name).(type) {
		case *types.TypeName:
			r.typeName(o, api)
		case *types.Func:
			f := &function{}
			p.Funcs[name] = f
			r.function(f, o, nil)
		case *types.Var:
			p.Vars[name] = r.typeString(o.Type(), api)
		case *types.Const:
			p.Consts[name] = [2]string{r.typeString(o.Type(), api), exact(o.Val())}
		}
	}
}

func exact(v constant.Value) string { return v.ExactString() }

func (r *recorder) pkg(of *types.Package) *pkg {
	p := r.out[of.Path()]
	if p == nil {
		p = &pkg{of.Name(), map[string]*typeDecl{}, map[string]*function{}, map[string]string{}, map[string][2]string{}}
		r.out[of.Path()] = p
	}
	return p
}

// qualify is the name of a package in type strings: its own, or with its path where two have the same.
func (r *recorder) qualify(of *types.Package) string {
	name := of.Name()
	if had, ok := r.qualifiers[name]; ok && had != of.Path() {
		name = strings.NewReplacer("/", "_", "-", "_", ".", "_").Replace(of.Path())
	}
	r.qualifiers[name] = of.Path()
	return name
}

// typeString writes a type and sees to it that the types that it mentions are recorded too, as far as needed.
func (r *recorder) typeString(t types.Type, n need) string {
	r.mention(t, n)
	return types.TypeString(t, r.qualify)
}

func (r *recorder) mention(t types.Type, n need) {
	behind := api // what pointers and the like lead to
	if n != api {
		behind = opaque
	}
	switch t := t.(type) {
	case *types.Alias:
		r.typeName(t.Obj(), n)
	case *types.Named:
		r.typeName(t.Obj(), n)
		for i := range t.TypeArgs().Len() {
			r.mention(t.TypeArgs().At(i), n)
		}
	case *types.Struct:
		for f := range t.Fields() {
			if n == api && !f.Exported() && !f.Embedded() {
				r.mention(f.Type(), shape)
			} else {
				r.mention(f.Type(), n)
			}
		}
	case *types.Array:
		r.mention(t.Elem(), n)
	case *types.Signature:
		r.mention(t.Params(), behind)
		r.mention(t.Results(), behind)
		for p := range t.TypeParams().TypeParams() {
			r.mention(p.Constraint(), api)
		}
	case *types.Tuple:
		for v := range t.Variables() {
			r.mention(v.Type(), n)
		}
	case *types.Interface:
		for m := range t.Methods() {
			r.mention(m.Type(), behind)
		}
		for e := range t.EmbeddedTypes() {
			r.mention(e, n)
		}
	case *types.Union:
		for term := range t.Terms() {
			r.mention(term.Type(), n)
		}
	case *types.Map:
		r.mention(t.Key(), behind)
		r.mention(t.Elem(), behind)
	case *types.Pointer:
		r.mention(t.Elem(), behind)
	case *types.Slice:
		r.mention(t.Elem(), behind)
	case *types.Chan:
		r.mention(t.Elem(), behind)
	}
}

// typeName records a declared type, and once more if more of it is needed now.
func (r *recorder) typeName(o *types.TypeName, n need) {
	if o.Pkg() == nil || o.Pkg() == types.Unsafe { // error, any, comparable, unsafe.Pointer
		return
	}
	if r.declared[o] >= n {
		return
	}
	r.declared[o] = n
	d := &typeDecl{}
	r.pkg(o.Pkg()).Types[o.Name()] = d
	if n == opaque {
		d.Opaque, d.Underlying = true, "struct{}"
		if named, ok := o.Type().(*types.Named); ok {
			d.Params = r.typeParams(named.TypeParams())
		}
		return
	}
	r.todo = append(r.todo, func() { r.declare(d, o, n) })
}

func (r *recorder) declare(d *typeDecl, o *types.TypeName, n need) {
	if a, ok := o.Type().(*types.Alias); ok {
		d.Alias = r.typeString(a.Rhs(), n)
		d.Params = r.typeParams(a.TypeParams())
		return
	}
	named := o.Type().(*types.Named)
	d.Params = r.typeParams(named.TypeParams())
	d.Underlying = r.typeString(named.Underlying(), n)
	if _, ok := named.Underlying().(*types.Interface); ok || n != api {
		return
	}
	if n := named.TypeParams().Len(); n > 0 { // the methods in the words of the type's own parameters
		args := make([]types.Type, n)
		for i := range args {
			args[i] = named.TypeParams().At(i)
		}
		t, err := types.Instantiate(nil, named, args, false)
		check(err)
		named = t.(*types.Named)
	}
	for i := range named.NumMethods() {
		m := named.Method(i)
		if !m.Exported() {
			continue
		}
		list := &d.Methods
		if _, ok := m.Signature().Recv().Type().(*types.Pointer); ok {
			list = &d.PtrMethods
		}
		*list = append(*list, function{})
	}
	v, p := 0, 0
	for i := range named.NumMethods() { // now that the lists do not move: probes keep addresses
		m := named.Method(i)
		if !m.Exported() {
			continue
		}
		if _, ok := m.Signature().Recv().Type().(*types.Pointer); ok {
			r.function(&d.PtrMethods[p], m, named)
			p++
		} else {
			r.function(&d.Methods[v], m, named)
			v++
		}
	}
}

func (r *recorder) typeParams(list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	var params []string
	for p := range list.TypeParams() {
		params = append(params, p.Obj().Name()+" "+r.typeString(p.Constraint(), api))
	}
	return "[" + strings.Join(params, ", ") + "]"
}

func (r *recorder) function(f *function, o *types.Func, recv *types.Named) {
	sig := o.Signature()
	f.Name, f.Sig = o.Name(), r.typeString(sig, api)
	switch {
	case recv == nil && sig.TypeParams().Len() > 0:
		r.probe(&f.Tags, o, nil)
	case recv != nil && recv.TypeParams().Len() > 0:
		r.probe(&f.Tags, o, recv.Origin())
	case recv != nil:
		f.Tags = r.tagsOf(o.Pkg().Path(), recv.Obj().Name()+"."+o.Name(), sig)
	default:
		f.Tags = r.tagsOf(o.Pkg().Path(), o.Name(), sig)
	}
}

// Tags

func (r *recorder) tagsOf(path, name string, sig *types.Signature) []*tag {
	if r.tags[path] == nil {
		r.tags[path] = readTags(path, r.exports[path], r.importer)
	}
	notes, ok := r.tags[path][name]
	if !ok {
		log.Fatalf("%s.%s has no tags in the export data", path, name)
	}
	vars := params(sig)
	if len(notes) != len(vars) {
		log.Fatalf("%s.%s: %d tags for %d parameters", path, name, len(notes), len(vars))
	}
	out := make([]*tag, len(notes))
	for i, note := range notes {
		if hasPointers(vars[i].Type()) {
			out[i] = decode(note)
		}
	}
	return out
}

// params are the receiver, if there is one, and the parameters.
func params(sig *types.Signature) (vars []*types.Var) {
	if sig.Recv() != nil {
		vars = append(vars, sig.Recv())
	}
	for v := range sig.Params().Variables() {
		vars = append(vars, v)
	}
	return
}

// decode reads one tag; nil where nothing leaks. A parameter without a tag leaks to the heap (leaks.go, parseLeaks).
func decode(note string) *tag {
	zero := 0
	bytes, ok := strings.CutPrefix(note, "esc:")
	if !ok {
		if note != "" {
			log.Fatalf("not a tag: %q", note)
		}
		return &tag{Heap: &zero}
	}
	if bytes == "" {
		return nil
	}
	t := &tag{}
	for i, b := range []byte(bytes) {
		var level *int
		if b > 0 {
			n := int(b) - 1
			level = &n
		}
		switch i {
		case tagHeap:
			t.Heap = level
		case tagMutator:
			t.Mutator = level
		case tagCallee:
			t.Callee = level
		default:
			t.Results = append(t.Results, level)
		}
	}
	return t
}

func hasPointers(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Info()&types.IsString != 0 || t.Kind() == types.UnsafePointer
	case *types.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case *types.Struct:
		for f := range t.Fields() {
			if hasPointers(f.Type()) {
				return true
			}
		}
		return false
	}
	return true
}

// readTags reads the private part of a package's export data as the compiler does (cmd/compile/internal/noder/
// linker.go relocFuncExt, relocTypeExt; reader.go funcExt, typeExt).
func readTags(path, file string, imp types.Importer) map[string][]string {
	of, err := imp.Import(path)
	check(err)
	f, err := os.Open(file)
	check(err)
	defer f.Close()
	data, err := exportdata.ReadUnified(bufio.NewReader(f))
	check(err)
	dec := pkgbits.NewPkgDecoder(path, string(data))
	tags := map[string][]string{}
	for i := range dec.NumElems(pkgbits.SectionObj) {
		idx := pkgbits.RelElemIdx(i)
		objPath, name, kind := dec.PeekObj(idx)
		o := of.Scope().Lookup(name)
		if objPath != path || o == nil || kind != pkgbits.ObjFunc && kind != pkgbits.ObjType {
			continue
		}
		d := dec.NewDecoder(pkgbits.SectionObjExt, idx, pkgbits.SyncObject1)
		switch o := o.(type) {
		case *types.Func:
			if o.Signature().TypeParams().Len() == 0 {
				tags[name] = funcTags(&d, len(params(o.Signature())), o.FullName())
				atEnd(&d, o)
			}
		case *types.TypeName:
			named, ok := o.Type().(*types.Named)
			if !ok || named.TypeParams().Len() > 0 {
				continue
			}
			d.Sync(pkgbits.SyncTypeExt)
			d.Sync(pkgbits.SyncPragma)
			d.Int()   // pragma
			d.Int64() // indices of the type descriptors
			d.Int64()
			if _, ok := named.Underlying().(*types.Interface); !ok {
				for m := range named.Methods() {
					tags[name+"."+m.Name()] = funcTags(&d, len(params(m.Signature())), m.FullName())
				}
			}
			atEnd(&d, o)
		}
	}
	return tags
}

func funcTags(d *pkgbits.Decoder, n int, name string) []string {
	d.Sync(pkgbits.SyncFuncExt)
	d.Sync(pkgbits.SyncPragma)
	d.Int() // pragma
	d.Sync(pkgbits.SyncLinkname)
	if d.Int64() < 0 {
		_ = d.String()
	}
	if !d.Bool() {
		log.Fatalf("%s: a body where tags should be", name)
	}
	d.Uint64() // ABI
	notes := make([]string, n)
	for i := range notes {
		notes[i] = d.String()
	}
	if d.Bool() { // can be inlined
		d.Len()
		d.Bool()
	}
	d.Sync(pkgbits.SyncEOF)
	return notes
}

// atEnd fails if the reading of an element was out of step with its writing.
func atEnd(d *pkgbits.Decoder, o types.Object) {
	if rest := d.Data.Len(); rest != 0 {
		log.Fatalf("%v: %d bytes of export data not understood: another Go?", o, rest)
	}
}

// Probes

func (r *recorder) probe(tags *[]*tag, o *types.Func, recv *types.Named) {
	sig := o.Signature()
	var callee string
	var first []*types.Var
	qualify := func(p *types.Package) string {
		r.probed[p.Path()] = true
		return alias(p.Path())
	}
	if recv == nil {
		args := arguments(sig.TypeParams())
		inst, err := types.Instantiate(nil, sig, args, true)
		check(err)
		sig = inst.(*types.Signature)
		var names []string
		for _, a := range args {
			names = append(names, types.TypeString(a, qualify))
		}
		callee = fmt.Sprintf("%s.%s[%s]", qualify(o.Pkg()), o.Name(), strings.Join(names, ", "))
	} else {
		t, err := types.Instantiate(nil, recv, arguments(recv.TypeParams()), true)
		check(err)
		m, _, _ := types.LookupFieldOrMethod(types.NewPointer(t), true, o.Pkg(), o.Name())
		sig = m.(*types.Func).Signature()
		first = []*types.Var{sig.Recv()}
		callee = "a0." + o.Name()
	}
	var declared, passed []string
	vars := append(first, slices.Collect(sig.Params().Variables())...)
	for i, v := range vars {
		name, t := fmt.Sprintf("a%d", i), types.TypeString(v.Type(), qualify)
		arg := name
		if sig.Variadic() && i == len(vars)-1 {
			t, arg = "..."+strings.TrimPrefix(t, "[]"), name+"..."
		}
		declared = append(declared, name+" "+t)
		if i >= len(first) {
			passed = append(passed, arg)
		}
	}
	results, ret := "", ""
	if sig.Results().Len() > 0 {
		results, ret = types.TypeString(sig.Results(), qualify), "return "
	}
	source := fmt.Sprintf("func P%d(%s) %s { %s%s(%s) }\n",
		len(r.probes), strings.Join(declared, ", "), results, ret, callee, strings.Join(passed, ", "))
	r.probes = append(r.probes, probe{source, tags, sig})
}

func alias(path string) string {
	return strings.NewReplacer("/", "_", "-", "_", ".", "_").Replace(path)
}

// arguments are type arguments that satisfy constraints and have pointers where they can.
func arguments(list *types.TypeParamList) []types.Type {
	args := make([]types.Type, list.Len())
	for i := range args {
		args[i] = argument(list.At(i), list, args)
	}
	return args
}

func argument(p *types.TypeParam, list *types.TypeParamList, done []types.Type) types.Type {
	if done[p.Index()] != nil {
		return done[p.Index()]
	}
	terms := terms(p.Constraint())
	switch {
	case p.Constraint().Underlying().(*types.Interface).NumMethods() > 0:
		return p.Constraint() // an interface type satisfies itself: error
	case len(terms) == 0:
		return types.NewPointer(types.Typ[types.Int])
	case len(terms) == 1:
		return substitute(terms[0], list, done)
	case slices.ContainsFunc(terms, func(t types.Type) bool { return t == types.Typ[types.String] }):
		return types.Typ[types.String]
	}
	return terms[0]
}

func terms(constraint types.Type) (all []types.Type) {
	i, ok := constraint.Underlying().(*types.Interface)
	if !ok {
		return
	}
	for e := range i.EmbeddedTypes() {
		switch e := e.(type) {
		case *types.Union:
			for t := range e.Terms() {
				all = append(all, t.Type())
			}
		default:
			if _, ok := e.Underlying().(*types.Interface); ok {
				all = append(all, terms(e)...)
			} else {
				all = append(all, e)
			}
		}
	}
	return
}

// substitute puts arguments in the few forms that constraints of the library have: []E, map[K]V, chan E, func types.
func substitute(t types.Type, list *types.TypeParamList, done []types.Type) types.Type {
	switch t := t.(type) {
	case *types.TypeParam:
		return argument(t, list, done)
	case *types.Slice:
		return types.NewSlice(substitute(t.Elem(), list, done))
	case *types.Pointer:
		return types.NewPointer(substitute(t.Elem(), list, done))
	case *types.Map:
		return types.NewMap(substitute(t.Key(), list, done), substitute(t.Elem(), list, done))
	case *types.Basic, *types.Named:
		return t
	}
	log.Fatalf("no argument known for the constraint ~%v", t)
	return nil
}

// readProbes compiles the probes without inlining, as a user's package is with -l, and reads their tags.
func (r *recorder) readProbes() {
	if len(r.probes) == 0 {
		return
	}
	dir, err := os.MkdirTemp("", "probes")
	check(err)
	defer os.RemoveAll(dir)
	var b strings.Builder
	b.WriteString("package probes\n\n")
	for path := range r.probed {
		fmt.Fprintf(&b, "import %s %q\n", alias(path), path)
	}
	for _, p := range r.probes {
		b.WriteString(p.source)
	}
	check(os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module probes\n\ngo 1.26\n"), 0o644))
	check(os.WriteFile(filepath.Join(dir, "probes.go"), []byte(b.String()), 0o644))
	r.exports["probes"] = strings.TrimSpace(goList(dir, "-export", "-gcflags=-l", "-f", "{{.Export}}", "."))
	for i, p := range r.probes {
		vars := params(p.sig)
		of, err := r.importer.Import("probes")
		check(err)
		o := of.Scope().Lookup(fmt.Sprintf("P%d", i)).(*types.Func)
		if len(params(o.Signature())) != len(vars) {
			log.Fatalf("probe %d has other parameters: %s", i, p.source)
		}
		*p.tags = r.tagsOf("probes", o.Name(), o.Signature())
	}
}
