// SPDX-License-Identifier: GPL-2.0
/*
 * An I2C bus whose chips are a program.
 *
 * The adapter takes whole I2C transfers, as that of a Raspberry Pi does, and hands each one to whoever has /dev/i2c-chips
 * open. For the tests of weatherd: what is above the adapter is Linux's own, and what the chips say is up to a test.
 *
 * Numbers are in the machine's own byte order.
 *
 *   read     one transfer; waits for it
 *            u32 number of the transfer, u32 count of messages, and of each message
 *            u16 address, u16 flags (I2C_M_RD), u16 length; then its bytes if it is written
 *   write    its outcome
 *            u32 number of the transfer, s32 0 or a negative errno; then the bytes of all messages that are read
 *
 * While nobody has it open, nobody acknowledges: EREMOTEIO, as i2c-bcm2835 says. An outcome that does not come within a
 * second is ETIMEDOUT, as it is there; an outcome that comes later is refused with ESTALE.
 */

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/i2c.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define BYTES_MAX 4096

static int bus = 1;
module_param(bus, int, 0444);
MODULE_PARM_DESC(bus, "number of the adapter");

static DEFINE_MUTEX(lock);
static DECLARE_WAIT_QUEUE_HEAD(asked);
static DECLARE_COMPLETION(answered);
static bool is_open;
static bool waits;		/* for a read of the transfer */
static struct i2c_msg *messages; /* of the transfer; NULL if there is none */
static int count;
static u32 number;
static int outcome;

static size_t put(u8 *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return size;
}

/* Return its length; 0 if it is too long. */
static size_t written_out(u8 *to)
{
	size_t length = 0;
	u32 messages_count = count;
	int i;

	length += put(to + length, &number, sizeof(number));
	length += put(to + length, &messages_count, sizeof(messages_count));
	for (i = 0; i < count; i++) {
		const struct i2c_msg *message = &messages[i];
		const u16 head[] = { message->addr, message->flags, message->len };

		if (length + sizeof(head) + message->len > BYTES_MAX)
			return 0;
		length += put(to + length, head, sizeof(head));
		if (!(message->flags & I2C_M_RD))
			length += put(to + length, message->buf, message->len);
	}
	return length;
}

static ssize_t chips_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	u8 *bytes = kmalloc(BYTES_MAX, GFP_KERNEL);
	ssize_t length = -EINTR;

	if (!bytes)
		return -ENOMEM;
	while (!wait_event_interruptible(asked, READ_ONCE(waits))) {
		mutex_lock(&lock);
		if (waits) {
			waits = false;
			length = written_out(bytes);
			mutex_unlock(&lock);
			if (!length || length > size)
				length = -EMSGSIZE;
			else if (copy_to_user(to, bytes, length))
				length = -EFAULT;
			break;
		}
		mutex_unlock(&lock);
	}
	kfree(bytes);
	return length;
}

/* Give each message that is read its bytes. */
static int filled_in(const u8 *from, size_t length)
{
	int i;

	for (i = 0; i < count; i++) {
		struct i2c_msg *message = &messages[i];

		if (!(message->flags & I2C_M_RD))
			continue;
		if (length < message->len)
			return -EINVAL;
		from += put(message->buf, from, message->len);
		length -= message->len;
	}
	return length ? -EINVAL : 0;
}

static ssize_t chips_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	struct {
		u32 number;
		s32 outcome;
	} head;
	u8 *bytes;
	int wrong = 0;

	if (size < sizeof(head) || size > BYTES_MAX)
		return -EINVAL;
	bytes = memdup_user(from, size);
	if (IS_ERR(bytes))
		return PTR_ERR(bytes);
	memcpy(&head, bytes, sizeof(head));
	mutex_lock(&lock);
	if (!messages || head.number != number) {
		wrong = -ESTALE;
	} else {
		if (!head.outcome)
			wrong = filled_in(bytes + sizeof(head), size - sizeof(head));
		outcome = head.outcome ? head.outcome : wrong;
		messages = NULL;
		complete(&answered);
	}
	mutex_unlock(&lock);
	kfree(bytes);
	return wrong ? wrong : size;
}

static __poll_t chips_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &asked, table);
	return READ_ONCE(waits) ? EPOLLIN : 0;
}

static int chips_open(struct inode *inode, struct file *file)
{
	int wrong = 0;

	mutex_lock(&lock);
	if (is_open)
		wrong = -EBUSY;
	is_open = true;
	mutex_unlock(&lock);
	return wrong;
}

static int chips_release(struct inode *inode, struct file *file)
{
	mutex_lock(&lock);
	is_open = false;
	if (messages) {
		outcome = -EREMOTEIO;
		messages = NULL;
		complete(&answered);
	}
	waits = false;
	mutex_unlock(&lock);
	return 0;
}

static const struct file_operations chips_operations = {
	.owner = THIS_MODULE,
	.open = chips_open,
	.release = chips_release,
	.read = chips_read,
	.write = chips_write,
	.poll = chips_poll,
};

static struct miscdevice chips = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "i2c-chips",
	.fops = &chips_operations,
	.mode = 0600,
};

/* Linux calls this for one transfer after the other. */
static int transfer(struct i2c_adapter *adapter, struct i2c_msg *all, int all_count)
{
	int result;

	mutex_lock(&lock);
	if (!is_open) {
		mutex_unlock(&lock);
		return -EREMOTEIO;
	}
	reinit_completion(&answered);
	messages = all;
	count = all_count;
	number++;
	waits = true;
	mutex_unlock(&lock);
	wake_up_interruptible(&asked);

	wait_for_completion_timeout(&answered, adapter->timeout);

	mutex_lock(&lock);
	result = messages ? -ETIMEDOUT : outcome;
	messages = NULL; /* its bytes are no longer ours */
	waits = false;
	mutex_unlock(&lock);
	return result ? result : all_count;
}

static u32 functionality(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm algorithm = {
	.master_xfer = transfer,
	.functionality = functionality,
};

static struct i2c_adapter adapter = {
	.owner = THIS_MODULE,
	.name = "chips that are a program",
	.algo = &algorithm,
};

static int __init i2c_user_init(void)
{
	int wrong = misc_register(&chips);

	if (wrong)
		return wrong;
	adapter.nr = bus;
	adapter.timeout = HZ;
	wrong = i2c_add_numbered_adapter(&adapter);
	if (wrong)
		misc_deregister(&chips);
	return wrong;
}

static void __exit i2c_user_exit(void)
{
	i2c_del_adapter(&adapter);
	misc_deregister(&chips);
}

module_init(i2c_user_init);
module_exit(i2c_user_exit);
MODULE_DESCRIPTION("I2C bus whose chips are a program");
MODULE_LICENSE("GPL");
