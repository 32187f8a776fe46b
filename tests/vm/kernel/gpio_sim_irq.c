// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts for gpio-sim where the kernel was built without them: Linux's own irq_sim.c, out of the tree.
 *
 * irq_to_desc is not exported to modules. What it returns can be had in a way that is.
 */

#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_sim.h>
#include <linux/irq_work.h>
#include <linux/irqdesc.h>
#include <linux/slab.h>

#define irq_to_desc(irq) irq_data_to_desc(irq_get_irq_data(irq))

#include "irq_sim.c"
