# The hot loop of every kernel in the example hot_kernels, from
#
#     objdump --disassemble --demangle --no-show-raw-insn -M intel
#
# and how many instructions one iteration has, each counted in one column; those of the last column
# touch the stack. Of the innermost loops of a kernel that is the one with the most multiply-adds;
# all are shown if several have as many, as the product has for A by rows and by columns. Of its
# tiles those with fewer than twelve multiply-adds are checked, not shown.
#
# Fails if one of them has a call, if the product keeps a vector on the stack, or if a kernel has no
# such loop.

BEGIN {
    FS = "\t"
    row = "%-7s %-12s %5s %6s %11s %7s %6s %6s %6s\n"
    printf row, "isa", "kernel", "fma", "loads", "broadcasts", "stores", "other", "total", "stack"
}

/file format/ && !/x86-64/ {
    print "skipped: not for x86-64"
    skipped = 1
    exit
}

# A function: its symbol names the instruction set and the kernel.
/^[0-9a-f]+ <.*>:$/ {
    hot_loops()
    kernel = $0
    gemm = kernel ~ /::run::<kernels::gemm::/
    if (kernel !~ /(Avx2|Avx512) as kernels::simd::.*::run::<kernels::(gemm|activation)::/) kernel = ""
    isa = kernel ~ /Avx512 as/ ? "avx512" : "avx2"
    # `…::run::<kernels::module::Kernel<scalar, …>>>:`
    sub(/^.*::run::<kernels::/, "", kernel)
    scalar = kernel ~ /<f32/ ? "f32" : "f64"
    sub(/<.*$/, "", kernel)
    sub(/^.*::/, "", kernel)
    count = 0
    split("", at)
    next
}

# An instruction: its address, a tab, the code.
kernel && NF > 1 {
    address = $1
    gsub(/[ :]/, "", address)
    at[address] = ++count
    code[count] = $2
}

END {
    if (skipped) exit
    hot_loops()
    split("avx512 avx2", isas, " ")
    split("gemm Exp Expm1 Sigmoid Tanh Softplus Log1p Erf", names, " ")
    split("f32 f64", scalars, " ")
    for (i in isas) for (n in names) for (s in scalars) {
        if (!((isas[i], names[n], scalars[s]) in seen)) fail(names[n] " has no loop", isas[i], scalars[s])
    }
    if (failed) exit 1
    print "No call in any of them; no vector of a product on the stack."
}

function fail(what, isa, scalar) {
    print "FAILED: " isa " " scalar ": " what
    failed = 1
}

# A loop is what lies between a jump back and where it goes; an innermost one holds no other.
function hot_loops(    i, n, words, start, from, to, fma, most) {
    if (!kernel) return
    n = most = 0
    for (i = 1; i <= count; i++) {
        if (code[i] !~ /^j/) continue
        split(code[i], words, " ")
        start = words[2] in at ? at[words[2]] : count + 1
        if (start > i || n && start <= from[n]) continue
        from[++n] = start
        to[n] = i
        fma[n] = 0
        for (start = from[n]; start <= i; start++) fma[n] += multiply_add(code[start])
        if (tiles() && writes(from[n], i)) fma[n] = 0
        if (fma[n] > most) most = fma[n]
    }
    for (i = 1; most && i <= n; i++) if (fma[i] == most) show(from[i], to[i])
}

function multiply_add(code) {
    return code ~ /^vfn?m(add|sub)/
}

# Whether the kernel computes tiles, one below another.
function tiles() {
    return kernel == "Tiles" || kernel == "SmallStrip"
}

# Whether a loop writes C: then it is the one around the hot one, parts of which lie elsewhere.
function writes(from, to,    i) {
    for (i = from; i <= to; i++) if (code[i] ~ /^vmov.* PTR \[.*\],[xyz]mm/ && code[i] !~ /\[rsp/) return 1
    return 0
}

function show(from, to,    i, fma, loads, broadcasts, stores, other, stack, spills, calls) {
    fma = loads = broadcasts = stores = other = stack = spills = calls = 0
    for (i = from; i <= to; i++) {
        if (multiply_add(code[i])) fma++
        else if (code[i] ~ /^v(p?broadcast|movddup)/) broadcasts++
        else if (code[i] ~ /^vmov.* PTR \[.*\],[xyz]mm/) stores++
        else if (code[i] ~ /^vmov.*,[A-Z]+ PTR \[/) loads++
        else other++
        if (code[i] ~ /\[rsp/) stack++
        if (code[i] ~ /^v.*\[rsp/) spills++
        if (code[i] ~ /^call/) calls++
    }
    if (!tiles() || fma >= 12 || calls || spills) printf row, isa, kernel " " scalar, fma, loads, broadcasts, stores, other, to - from + 1, stack
    seen[isa, gemm ? "gemm" : kernel, scalar] = 1
    if (calls) fail(calls " calls", isa, scalar)
    if (gemm && spills) fail(spills " vectors of a product on the stack", isa, scalar)
}
