// Runs the kit on wazero: go run . core.wasm kit.txt (runtimes/kit/README.md; the core's interface is assembly/README.md).
package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "error: "+format+"\n", args...)
	os.Exit(2)
}

func must[T any](value T, err error) T {
	if err != nil {
		fail("%v", err)
	}
	return value
}

// instance makes a core with that many bytes for the host, and says where they begin.
func instance(ctx context.Context, runtime wazero.Runtime, code wazero.CompiledModule, bytes uint64) (api.Module, uint32) {
	module := must(runtime.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("")))
	if abi := must(module.ExportedFunction("abi").Call(ctx))[0]; abi != 1 {
		fail("this host knows interface 1, the core has %d", abi)
	}
	base := uint32(must(module.ExportedFunction("heapBase").Call(ctx))[0])
	if size := uint64(module.Memory().Size()); uint64(base)+bytes > size {
		if _, ok := module.Memory().Grow(uint32((uint64(base) + bytes - size + 65535) / 65536)); !ok {
			fail("there is no memory for %d bytes", bytes)
		}
	}
	return module, base
}

func argument(text string, base uint32) uint64 {
	switch text[0] {
	case '@':
		return uint64(base) + must(strconv.ParseUint(text[1:], 10, 32))
	case '=':
		return must(strconv.ParseUint(text[1:], 16, 64))
	}
	return must(strconv.ParseUint(text, 10, 32))
}

func main() {
	start, ctx := time.Now(), context.Background()
	runtime := wazero.NewRuntime(ctx)
	code := must(runtime.CompileModule(ctx, must(os.ReadFile(os.Args[1]))))
	lines := bufio.NewScanner(must(os.Open(os.Args[2])))
	lines.Buffer(nil, 1<<24)
	var module api.Module
	var base uint32
	name, isFirst, exit := "", true, 0
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		switch words[0] {
		case "case":
			name = words[1]
			module, base = instance(ctx, runtime, code, must(strconv.ParseUint(words[2], 10, 32)))
		case "put", "raw":
			at := uint32(argument("@"+words[2], base))
			for k, word := range words[3:] {
				bits := argument("="+word, 0)
				if f := math.Float64frombits(bits); words[0] == "put" && (math.IsNaN(f) || math.IsInf(f, 0)) {
					fail("%s %s: a value is not finite", name, words[1])
				}
				module.Memory().WriteUint64Le(at+8*uint32(k), bits)
			}
		case "call":
			args := []uint64{}
			for _, word := range words[2:] {
				args = append(args, argument(word, base))
			}
			if status := must(module.ExportedFunction(words[1]).Call(ctx, args...))[0]; uint32(status) != 0 {
				fail("%s %s: status %d", name, words[1], uint32(status))
			}
		case "expect":
			if isFirst {
				fmt.Printf("first %.1f\n", float64(time.Since(start).Microseconds())/1000)
				isFirst = false
			}
			at, verdict := uint32(argument("@"+words[2], base)), fmt.Sprintf("equal %s %s", name, words[1])
			for k, word := range words[3:] {
				if got, _ := module.Memory().ReadUint64Le(at + 8*uint32(k)); got != argument("="+word, 0) {
					verdict, exit = fmt.Sprintf("different %s %s %d %016x %s", name, words[1], k, got, word), 1
					break
				}
			}
			fmt.Println(verdict)
		}
	}
	must(0, lines.Err())
	os.Exit(exit)
}
