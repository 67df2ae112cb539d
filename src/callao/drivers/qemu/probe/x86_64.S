# SPDX-License-Identifier: GPL-3.0-or-later
# A boot sector that does what a kernel does first: long mode, paging, a hundred million turns of a loop,
# lock cmpxchg16b; then it leaves QEMU by isa-debug-exit with status 85. See callao.drivers.qemu.probe.
.code16
.globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    inb $0x92, %al
    orb $2, %al
    outb %al, $0x92
    xorw %ax, %ax
    movw $0x1000, %di
    movw $0x2800, %cx
    cld
    rep stosw
    movw $0x2003, 0x1000
    movw $0x3003, 0x2000
    movw $0x0083, 0x3000
    movl $0x1000, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    lgdt gdt_pointer
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    ljmp $8, $long_mode
.code64
long_mode:
    movw $0, %ax
    movw %ax, %ds
    movw %ax, %ss
    movq $100000000, %rcx
1:  decq %rcx
    jnz 1b
    movq %cr3, %rax
    movq %rax, %cr3
    invlpg 0x5000
    xorl %eax, %eax
    xorl %edx, %edx
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    lock cmpxchg16b 0x5000
    jnz 2f
    movb $0x2a, %al
    outb %al, $0xf4
2:  hlt
    jmp 2b
.align 8
gdt:
    .quad 0
    .quad 0x00209a0000000000
gdt_pointer:
    .word 15
    .long gdt
.org 510
    .word 0xaa55
