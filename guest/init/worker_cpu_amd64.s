//go:build linux

#include "textflag.h"

// Offsets of cpuState.
#define FLAGS 120
#define FSBASE 128
#define GSBASE 136
#define AREA 144

#define SYS_arch_prctl 158
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

// func holdRegisters(want, found *cpuState, spins, mask uint64)
// BP is kept by the frame, R14 and X15 by who calls with Go's own registers.
TEXT ·holdRegisters(SB), NOSPLIT, $48-32
	STMXCSR mxcsr-8(SP)
	FSTCW fcw-16(SP)
	PUSHFQ
	POPQ R8
	MOVQ R8, flags-24(SP)

	MOVQ want+0(FP), DI
	MOVQ AREA(DI), R8
	MOVQ mask+24(FP), AX
	XORL DX, DX
	TESTQ AX, AX
	JZ legacy
	XRSTOR64 (R8)
	JMP loaded
legacy:
	FXRSTOR64 (R8)
loaded:
	MOVQ FLAGS(DI), R8
	PUSHQ R8
	POPFQ

	// From here on nothing changes the flags.
	MOVQ 0(DI), AX
	MOVQ spins+16(FP), CX
	MOVQ 16(DI), DX
	MOVQ 24(DI), BX
	MOVQ 32(DI), BP
	MOVQ 40(DI), SI
	MOVQ 56(DI), R8
	MOVQ 64(DI), R9
	MOVQ 72(DI), R10
	MOVQ 80(DI), R11
	MOVQ 88(DI), R12
	MOVQ 96(DI), R13
	MOVQ 104(DI), R14
	MOVQ 112(DI), R15
	MOVQ 48(DI), DI
again:
	LEAQ 1(AX), AX
	LEAQ -1(CX), CX
	JCXZQ done
	JMP again
done:
	MOVQ DI, di-32(SP)
	MOVQ found+8(FP), DI
	MOVQ AX, 0(DI)
	MOVQ CX, 8(DI)
	MOVQ DX, 16(DI)
	MOVQ BX, 24(DI)
	MOVQ BP, 32(DI)
	MOVQ SI, 40(DI)
	MOVQ R8, 56(DI)
	MOVQ R9, 64(DI)
	MOVQ R10, 72(DI)
	MOVQ R11, 80(DI)
	MOVQ R12, 88(DI)
	MOVQ R13, 96(DI)
	MOVQ R14, 104(DI)
	MOVQ R15, 112(DI)
	PUSHFQ
	POPQ R8
	MOVQ R8, FLAGS(DI)
	MOVQ di-32(SP), R8
	MOVQ R8, 48(DI)
	MOVQ flags-24(SP), R8
	PUSHQ R8
	POPFQ

	MOVQ AREA(DI), R8
	MOVQ mask+24(FP), AX
	XORL DX, DX
	TESTQ AX, AX
	JZ save
	XSAVE64 (R8)
	TESTQ $4, AX
	JZ saved
	VZEROUPPER
	JMP saved
save:
	FXSAVE64 (R8)
saved:
	FINIT
	FLDCW fcw-16(SP)
	LDMXCSR mxcsr-8(SP)

	// The bases, by the kernel's own account.
	MOVQ found+8(FP), R12
	MOVQ $ARCH_GET_GS, DI
	LEAQ GSBASE(R12), SI
	MOVQ $SYS_arch_prctl, AX
	SYSCALL
	MOVQ $ARCH_GET_FS, DI
	LEAQ FSBASE(R12), SI
	MOVQ $SYS_arch_prctl, AX
	SYSCALL
	MOVQ want+0(FP), R13
	MOVQ FSBASE(R13), SI
	CMPQ SI, FSBASE(R12)
	JEQ kept
	MOVQ $ARCH_SET_FS, DI // or Go does not find its own any more
	MOVQ $SYS_arch_prctl, AX
	SYSCALL
kept:
	RET

// func cpuid(leaf, subleaf uint32) (ax, bx, cx, dx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	CPUID
	MOVL AX, ax+8(FP)
	MOVL BX, bx+12(FP)
	MOVL CX, cx+16(FP)
	MOVL DX, dx+20(FP)
	RET

// func xgetbv() uint64
TEXT ·xgetbv(SB), NOSPLIT, $0-8
	XORL CX, CX
	XGETBV
	SHLQ $32, DX
	ORQ DX, AX
	MOVQ AX, ret+0(FP)
	RET

// func rdtscp() uint32
TEXT ·rdtscp(SB), NOSPLIT, $0-4
	RDTSCP
	MOVL CX, ret+0(FP)
	RET

// func rdpkru() uint32
TEXT ·rdpkru(SB), NOSPLIT, $0-4
	XORL CX, CX
	RDPKRU
	MOVL AX, ret+0(FP)
	RET

// func wrpkru(rights uint32)
TEXT ·wrpkru(SB), NOSPLIT, $0-4
	MOVL rights+0(FP), AX
	XORL CX, CX
	XORL DX, DX
	WRPKRU
	RET
