"""Facts: what is observed beside a value, or of its kind, so plainly that one case is enough to claim it."""

# By the label of the observation: whatever comes back under it is wrong, and this is what that means.
FACTS = {
    "changed inputs": "Your function changes an argument in place. Look for operations ending in “_” or for +=.",
    "value after change": "An attribute that is changed later has no effect. Read self.… in forward(), and compute "
    "nothing from it in __init__().",
    "parts still in train mode": "A part of the model is still in train mode. Call eval() on the model.",
    "weights that can be trained": "The weights that can be trained are not the ones that the text asks for. Look at "
    "requires_grad.",
    "weights changed": "Your function changes weights that it should leave as they are.",
    "teacher's weights changed": "The teacher's weights change. The optimizer may hold the student's weights alone.",
    "teacher's weights with a gradient": "Gradients reach the teacher. Call it inside torch.no_grad().",
    "teacher's weights that can be trained": "The teacher's weights should come out as they went in: look at "
    "requires_grad.",
    "teacher's parts in train mode": "The teacher is not in the mode that the text asks for: look at eval() "
    "and train().",
    "student's parts in train mode": "The student is not left in the mode that the text asks for: look at train() and "
    "eval().",
    "whole numbers by type": "A whole number is asked for, by its type too. Look for / where // is meant, for "
    "float(), or for a tensor of floats.",
    "bias": "The weight is right, and the bias is not: copy that of the layer that comes in, too.",
    "kind of value": "The value is right, and of another kind than the text asks for: a plain number or a tensor. Look "
    "at item() and detach().",
}
NOT_FINITE = (
    "NaN or an infinity comes back. Look for the logarithm of 0, a division by 0, 0 · ∞, or an exp() that overflows."
)
AN_OBJECT = "An object comes back where a value is asked for: a module, a function or a model. Look at what you return."
A_TEXT = "A text comes back where something else is asked for. Look for str(), quotes or an f-string."
NO_TRUTH_VALUE = (
    "Something other than True or False comes back. Look for `and` and `or`, which return one of their operands, for a "
    "sign, and for a branch that returns nothing."
)
NO_GRADIENT = (
    "No gradient arrives where one should. Look for detach(), no_grad(), item() or torch.tensor(…) on the way."
)
A_GRADIENT = "A gradient arrives where none may. Use detach() or no_grad() for what is constant."
